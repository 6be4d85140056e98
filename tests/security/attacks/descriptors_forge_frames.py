# Writes forged frames of the cell protocol (exit, output, failure) into every descriptor above 2.
# Expected containment: nothing the program holds leads to the engine's socket.
# attack: {"exit_code": 11, "forbidden": "FORGED"}
import os
import struct
from attack import contained

HEADER = struct.Struct("!IBH")


def frame(kind, payload):
    return HEADER.pack(len(payload), kind, 0) + payload


forged = (
    frame(0x43, b"FORGED output\n")
    + frame(0x46, b'{"exit_code":0,"signal":null,"stopped_by":null}')
    + frame(0x4A, b'{"step":"forged","detail":"forged"}')
    + frame(0x47, b'{"path":"../../etc/x","size_bytes":3}')
    + frame(0xFF, b"")
)
for fd in range(3, 1024):
    try:
        os.write(fd, forged)
        print("wrote to", fd)
    except OSError:
        pass
contained()
os._exit(11)
