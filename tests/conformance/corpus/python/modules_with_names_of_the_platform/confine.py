WHO = "the user's confine"
