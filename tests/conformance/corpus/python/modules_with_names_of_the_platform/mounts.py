WHO = "the user's mounts"
