GREETING = "the user's own numbers"
