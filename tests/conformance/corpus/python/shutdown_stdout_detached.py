import sys

raw = sys.stdout.detach()
raw.write(b"by hand\n")
