ours = "a module named string"
