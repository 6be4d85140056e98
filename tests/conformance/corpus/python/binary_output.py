import os
import sys

sys.stdout.buffer.write(bytes(range(256)))
sys.stdout.flush()
os.write(1, b"\xff\xfe raw \x80\n")
os.write(2, b"\xc3")
os.write(2, b"\xa9 split character\n")
sys.stderr.buffer.write(b"\xf0\x9f\x99")
