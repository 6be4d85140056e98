"""Take away what covers the files of a container engine, and write through what is beneath.

Expected containment: no call mounts, unmounts, moves, clones or changes a mount, whatever the
place and the flags; what is covered stays covered, and what is read-only stays so.
"""

import ctypes
import os

from attack import contained, escaped, refuse, syscall

MOUNT, UMOUNT, PIVOT_ROOT, OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 165, 166, 155, 428, 429, 442
REMOUNT, BIND, MOVE, PRIVATE = 32, 4096, 8192, 1 << 18
NOT_PERMITTED = (-1, -38)  # EPERM, ENOSYS: of the call itself, whatever its arguments


def forbidden(what, number, *arguments):
    if (result := syscall(number, *arguments)) not in NOT_PERMITTED:
        escaped(f"{what}: {result}")


os.makedirs("/tmp/at", exist_ok=True)
clear_read_only = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
places = {line.split()[4] for line in open("/proc/self/mountinfo")}
before = {place: sorted(os.listdir(place)) for place in ("/run", "/etc", "/") if place in places}
for place in sorted(places, key=len, reverse=True):
    name = place.encode()
    for flags in (0, 1, 2, 8):
        forbidden(f"unmount {place} {flags}", UMOUNT, name, flags)
    for flags in (REMOUNT, REMOUNT | BIND, PRIVATE):
        forbidden(f"remount {place} {flags}", MOUNT, b"none", name, None, flags, None)
    for flags in (BIND, BIND | 16384, MOVE):
        forbidden(f"bind {place} {flags}", MOUNT, name, b"/tmp/at", None, flags, None)
    for flags in (0, 1, 1 | 0x8000):
        forbidden(f"open the tree {place} {flags}", OPEN_TREE, -100, name, flags)
    forbidden(f"move {place}", MOVE_MOUNT, -100, name, -100, b"/tmp/at", 0)
    forbidden(f"change {place}", MOUNT_SETATTR, -100, name, 0x8000, clear_read_only, 32)
    forbidden(f"pivot to {place}", PIVOT_ROOT, name, name)
for kind in (b"proc", b"sysfs", b"cgroup2", b"tmpfs", b"overlay", b"mqueue", b"devpts"):
    forbidden(f"mount {kind}", MOUNT, kind, b"/tmp/at", kind, 0, b"lowerdir=/,upperdir=/tmp")
for path in (
    "/run/vibecell",
    "/proc/sys",
    "/proc/kcore",
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/kernel",
):
    refuse(f"look beneath: {path}", os.lstat, path)
if any(sorted(os.listdir(place)) != names for place, names in before.items()):
    escaped("something was uncovered")
contained()
