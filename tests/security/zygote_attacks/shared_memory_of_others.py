"""Find System V shared memory, semaphores and queues, and POSIX ones, of host and neighbour.

Expected containment: an IPC namespace and a /dev/shm of the wall's own.
"""

import ctypes
import os

from attack import contained, escaped, syscall
from reach import NEW_IPC, OTHERS, UNSHARE, call, no_secret, twice

SHMGET, SHMCTL, SEMGET, MSGGET, MQ_OPEN = 29, 31, 64, 68, 240
SHM_STAT_ANY = 15
buffer = ctypes.create_string_buffer(256)


def look():
    for key in OTHERS["ipc_keys"]:
        for what, number, arguments in (
            ("shared memory", SHMGET, (key, 0, 0)),
            ("semaphores", SEMGET, (key, 0, 0)),
            ("a queue", MSGGET, (key, 0)),
        ):
            if syscall(number, *arguments) >= 0:
                escaped(f"{what} of another")
    for index in range(64):
        if syscall(SHMCTL, index, SHM_STAT_ANY, buffer) >= 0:
            escaped("shared memory by its index")
    for name in OTHERS["queues"]:
        if syscall(MQ_OPEN, name.encode(), os.O_RDWR, 0, 0) >= 0:
            escaped(f"the queue {name}")
    for folder, _, names in os.walk("/dev"):
        no_secret(folder, " ".join(names))
    for name in ("shm", "sem", "msg"):
        if os.path.exists(f"/proc/sysvipc/{name}"):
            with open(f"/proc/sysvipc/{name}") as listed:
                if len(listed.readlines()) > 1:
                    escaped(f"/proc/sysvipc/{name} tells of another")


twice(look)
call(UNSHARE, NEW_IPC)
look()
key = OTHERS["ipc_keys"][0]
if syscall(SHMGET, key, 4096, 0o1600) < 0 or syscall(SHMGET, key, 0, 0) < 0:
    escaped("its own is not found: the probe does not work")
contained()
