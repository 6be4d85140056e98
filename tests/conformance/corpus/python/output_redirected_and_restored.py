import contextlib
import io
import os
import sys

buffer = io.StringIO()
with contextlib.redirect_stdout(buffer):
    print("captured")
print(repr(buffer.getvalue()))
saved = os.dup(1)
with open("captured.txt", "w") as file:
    sys.stdout.flush()
    os.dup2(file.fileno(), 1)
    os.system("echo from the shell")
    os.dup2(saved, 1)
print(open("captured.txt").read())
sys.stdout = None
print("swallowed")
sys.stdout = sys.__stdout__
print("back")
