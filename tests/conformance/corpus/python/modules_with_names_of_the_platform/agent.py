WHO = "the user's agent"
