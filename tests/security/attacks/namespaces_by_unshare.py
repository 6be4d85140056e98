# Makes namespaces by unshare, clone, clone3 and setns: the root of most kernel exploits.
# Expected containment: no system call makes or enters a namespace.
import ctypes
import os
from attack import LIBC, contained, in_child, refuse, refuse_syscall

flags = {
    "user": 0x10000000,
    "mount": 0x20000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "time": 0x80,
}


def entered(result, what):
    if result == 0:
        os._exit(0)
    if result > 0:
        os.write(1, f"ESCAPED: {what}\n".encode())


for name, flag in flags.items():
    refuse_syscall("unshare " + name, 272, flag)
    refuse_syscall("user and " + name, 272, flag | flags["user"])
    if name != "time":
        entered(
            LIBC.syscall(ctypes.c_long(56), ctypes.c_long(flag | 17), None, None, None, None),
            "clone " + name,
        )
        entered(
            LIBC.syscall(
                ctypes.c_long(56), ctypes.c_long(flag | flags["user"] | 17), None, None, None, None
            ),
            "clone user " + name,
        )
    arguments = (ctypes.c_uint64 * 11)(flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    entered(LIBC.syscall(ctypes.c_long(435), arguments, ctypes.c_long(88)), "clone3 " + name)
for name in os.listdir("/proc/self/ns"):
    fd = os.open("/proc/self/ns/" + name, os.O_RDONLY)
    refuse_syscall("setns " + name, 308, fd, 0)
contained()
