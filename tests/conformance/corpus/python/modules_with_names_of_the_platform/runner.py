WHO = "the user's runner"
