# case: {"stdin_repeat": ["never read\n", 20000]}
print("does not look at its input")
