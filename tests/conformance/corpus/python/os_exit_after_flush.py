import atexit
import os
import sys

atexit.register(print, "never")
sys.stdout.write("flushed")
sys.stdout.flush()
os._exit(3)
