import os
import sys

sys.stdout.write("a partial line that cannot be flushed")
os.close(1)
