WHO = "the user's watch"
