# case: {"stdin": "w\np value\nn\nl\nbogus\nc\n"}
value = 41
breakpoint()
value += 1
print("after the debugger", value)
