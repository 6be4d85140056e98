import os
import sys

os.close(1)
try:
    os.write(1, b"goes nowhere")
except OSError as error:
    print(error, file=sys.stderr)
print("a partial line", end="")
try:
    sys.stdout.flush()
except OSError as error:
    print("flush:", error, file=sys.stderr)
