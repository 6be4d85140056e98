WHO = "the user's messages"
