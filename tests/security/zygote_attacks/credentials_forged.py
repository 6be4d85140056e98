"""Say on a socket to be a process of the host, or another user, as root of a namespace may try.

Expected containment: only what has a number and a name in its own namespaces can be said.
"""

import os
import socket
import struct

from attack import contained, escaped, refuse
from reach import OTHERS

here, there = socket.socketpair()
there.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
SPACE = socket.CMSG_SPACE(12)


def say(pid, uid, gid):
    told = struct.pack("3i", pid, uid, gid)
    here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, told)])
    _, ancillary, _, _ = there.recvmsg(1, SPACE)
    return struct.unpack("3i", ancillary[0][2])


for pid in (*OTHERS["pids"], 0, -1, 1 << 22):
    refuse(f"be process {pid}", say, pid, 0, 0)
for stranger in (1024, 65533, 65534, 1_900_000_000, -1):
    refuse(f"be user {stranger}", say, os.getpid(), stranger, 0)
    refuse(f"be group {stranger}", say, os.getpid(), 0, stranger)
with open("/proc/self/uid_map") as uids:
    last = int(uids.readline().split()[2]) - 1
if say(1, last, last) != (1, last, last):  # what is of its own wall it may say
    escaped("it cannot even say that: the probe does not work")
contained()
