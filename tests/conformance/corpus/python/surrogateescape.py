import os
import sys

print(sys.stdout.errors, sys.stderr.errors, sys.stdin.errors)
print(ascii(os.fsdecode(b"\xff\xfename")))
open(b"odd-\xff", "w").close()
print([ascii(n) for n in os.listdir() if n.startswith("odd")])
sys.stdout.flush()
sys.stdout.buffer.write(os.fsencode("odd-\udcff") + b"\n")
print("to stderr: \udcff", file=sys.stderr)
print("\udcff")
