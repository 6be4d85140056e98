# Opens descriptors without end, and passes them to itself to hold more.
# Expected containment: the limit on open files holds.
# attack: {"limits": {"open_files": 64}}
import os
import resource
import socket

from attack import contained, escaped

count = 0
try:
    while count < 5000:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError as error:
    print(count, error)
if count > 64:
    escaped(f"{count} descriptors")
for fd in range(30, 60):
    os.close(fd)
a, b = socket.socketpair()
sent = 0
try:
    a.setblocking(False)
    while sent < 5000:
        socket.send_fds(a, [b"x"], [0, 1, 2, 0, 1, 2])
        sent += 6
except OSError as error:
    print(sent, error)
contained()
