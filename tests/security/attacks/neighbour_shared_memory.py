# Leaves marks in System V and POSIX shared memory, message queues and semaphores for another cell.
# Expected containment: an IPC namespace and a /dev/shm of its own.
# attack: {"mode": "pair"}
import os
import sys
import time

from attack import contained, escaped, syscall

KEY = 0x56424331
if sys.argv[1] == "victim":
    print(syscall(29, KEY, 4096, 0o1666), syscall(64, KEY, 1, 0o1666), syscall(68, KEY, 0o1666))
    open("/dev/shm/neighbour", "w").write("mark")
    open("/tmp/neighbour", "w").write("mark")
    time.sleep(2)
    contained()
else:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for what, result in (
            ("shared memory", syscall(29, KEY, 0, 0)),
            ("semaphores", syscall(64, KEY, 0, 0)),
            ("queue", syscall(68, KEY, 0)),
        ):
            if result >= 0:
                escaped(f"{what} of a neighbour")
        for path in ("/dev/shm/neighbour", "/tmp/neighbour", "/workspace/neighbour"):
            if os.path.exists(path):
                escaped(path + " of a neighbour")
        time.sleep(0.05)
    contained()
