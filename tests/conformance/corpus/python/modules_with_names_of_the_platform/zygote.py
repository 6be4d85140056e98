WHO = "the user's zygote"
