value = 41
breakpoint()
print("never")
