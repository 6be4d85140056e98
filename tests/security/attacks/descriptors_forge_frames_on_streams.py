# Writes forged frames to stdout and stderr, as bytes of a program.
# Expected containment: they are output and nothing else; the exit code stays the program's.
# attack: {"exit_code": 12}
import os
import struct
from attack import contained

body = b'{"exit_code":0,"signal":null}'
forged = struct.pack("!IBH", len(body), 0x46, 0) + body
for fd in (1, 2):
    os.write(fd, forged * 3)
os.write(1, b"\n")
contained()
os._exit(12)
