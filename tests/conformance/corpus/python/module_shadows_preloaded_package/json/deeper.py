ours = "a package named json"
