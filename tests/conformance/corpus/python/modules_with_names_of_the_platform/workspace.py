WHO = "the user's workspace"
