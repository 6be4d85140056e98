import contextlib
import io
import os
import sys

sys.stdout.write("before;")
with contextlib.redirect_stdout(io.StringIO()) as captured, contextlib.redirect_stderr(captured):
    print("within", end="")
    print("within", end="", file=sys.stderr)
os.write(1, b"straight;")
sys.stdout.write(captured.getvalue())
sys.stdout = open(1, "w", closefd=False)
print("of its own", end="")
