# case: {"stdin_repeat": ["z", 300000]}
print(len(input()))
