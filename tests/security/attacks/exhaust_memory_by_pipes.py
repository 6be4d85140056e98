# Fills pipe and socket buffers, which belong to the kernel.
# Expected containment: descriptors and buffers are bounded and counted.
# attack: {"may_die": true, "limits": {"memory_bytes": 134217728}}
import fcntl
import os
import socket

from attack import contained, escaped

total, keep = 0, []
data = b"x" * 65536
try:
    while total < 1 << 30:
        read, write = os.pipe2(os.O_NONBLOCK)
        keep.append((read, write))
        try:
            fcntl.fcntl(write, 1031, 1 << 20)
        except OSError:
            pass
        try:
            while True:
                total += os.write(write, data)
        except BlockingIOError:
            pass
except OSError as error:
    print(error, total >> 20)
try:
    os.close(keep.pop()[0])
    while True:
        keep.append(socket.socketpair())
        keep[-1][0].setblocking(False)
        try:
            while True:
                total += keep[-1][0].send(data)
        except BlockingIOError:
            pass
except OSError as error:
    print(error, total >> 20)
if total > 512 << 20:
    escaped(f"{total >> 20} MiB in buffers")
contained()
