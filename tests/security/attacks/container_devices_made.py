"""Make device nodes wherever something can be written, by every road, and open them.

Expected containment: mknod makes FIFOs and files only, every writable mount is nodev, and no
device of the host lies in /dev under any name.
"""

import os
import socket
import stat

from attack import contained, escaped, refuse, refuse_syscall

DEVICES = {
    "memory": (stat.S_IFCHR, 1, 1),
    "kernel messages": (stat.S_IFCHR, 1, 11),
    "kvm": (stat.S_IFCHR, 10, 232),
    "fuse": (stat.S_IFCHR, 10, 229),
    "tun": (stat.S_IFCHR, 10, 200),
    "loop control": (stat.S_IFCHR, 10, 237),
    "first disk": (stat.S_IFBLK, 254, 0),
    "first SCSI disk": (stat.S_IFBLK, 8, 0),
    "loop": (stat.S_IFBLK, 7, 0),
}
FOLDERS = ("/workspace", "/tmp", "/dev/shm", "/dev", "/run", "/")
for name, (kind, major, minor) in DEVICES.items():
    for folder in FOLDERS:
        path = f"{folder}/node"
        number = os.makedev(major, minor)
        refuse(f"{name} in {folder}", os.mknod, path, kind | 0o666, number)
        refuse_syscall(f"{name} in {folder} by mknodat", 259, -100, path.encode(), kind, number)
        if os.path.lexists(path):
            escaped(f"{path} is there")
# one of the three kinds that are allowed is no device either
for kind in (stat.S_IFIFO, stat.S_IFREG):
    os.mknod("/tmp/plain", kind | 0o600, os.makedev(1, 1))
    if os.lstat("/tmp/plain").st_rdev:
        escaped("a plain node has a device number")
    os.unlink("/tmp/plain")
allowed = {os.makedev(1, n) for n in (3, 5, 7, 8, 9)} | {os.makedev(5, n) for n in (0, 1, 2)}
for directory, _, files in os.walk("/dev"):
    for file in files:
        state = os.lstat(os.path.join(directory, file))
        if stat.S_ISBLK(state.st_mode) or (
            stat.S_ISCHR(state.st_mode) and state.st_rdev not in allowed
        ):
            if os.major(state.st_rdev) != 136:  # of a terminal
                escaped(f"{directory}/{file} is {os.major(state.st_rdev)}:{state.st_rdev & 255}")
with socket.socket(socket.AF_UNIX) as link:  # a bound name is a node, and no more than that
    link.bind("/tmp/bound")
contained()
