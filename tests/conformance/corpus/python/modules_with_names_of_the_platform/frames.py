WHO = "the user's frames"
