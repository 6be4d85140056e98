import os
import sys

sys.stdout.write("this partial line stays in the buffer")
sys.stderr.write("this does not")
os._exit(4)
