import atexit

atexit.register(print, "exit function")
atexit._run_exitfuncs()
print("and on it goes")
