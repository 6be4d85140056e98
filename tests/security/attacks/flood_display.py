# Displays without end, tiny ones and large ones, several processes at once.
# Expected containment: bytes and number count as output, whose limit ends the program.
# attack: {"stopped_by": ["output"], "max_displays": 1024, "limits": {"wall_time_ms": 10000}}
import fcntl
import os
import struct

FIFO = os.open("/run/display", os.O_WRONLY)


def display(content):
    message = memoryview(struct.pack("!I", len(content)) + content)
    fcntl.flock(FIFO, fcntl.LOCK_EX)
    while message:
        message = message[os.write(FIFO, message) :]
    fcntl.flock(FIFO, fcntl.LOCK_UN)


sizes = (0, 1, 100, 10000)
size = next((size for size in sizes[1:] if os.fork() == 0), sizes[0])
content = b'{"text/plain":"' + b"x" * size + b'"}' if size else b""
while True:
    display(content)
