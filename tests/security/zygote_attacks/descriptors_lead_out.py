"""Leave by what a zygote holds: its descriptors, and what the kernel tells of namespaces.

Expected containment: a control socket, cells' sockets, a pid namespace of its own, and
``cgroup.procs`` files that can be written only: none is a directory or a namespace of
another. No namespace above its own can be named.
"""

import fcntl
import os
import socket
import stat

import taken
from attack import contained, escaped, refuse
from reach import SETNS, call

GET_USERNS, GET_PARENT = 0xB701, 0xB702
own = {os.stat(f"/proc/self/ns/{name}").st_ino for name in os.listdir("/proc/self/ns")}
joins = {fd for descriptors in taken.kept for fd in descriptors[1:]}
print("joins:", len(joins))
for name in os.listdir("/proc/self/fd"):
    fd = int(name)
    try:
        kind = os.fstat(fd).st_mode
    except OSError:
        continue  # that of the listing itself
    leads_to = os.readlink(f"/proc/self/fd/{fd}")
    if stat.S_ISDIR(kind) or stat.S_ISBLK(kind) or stat.S_ISCHR(kind):
        escaped(f"it holds {leads_to}")
    refuse(f"go up from {leads_to}", lambda fd=fd: os.open("..", os.O_RDONLY, dir_fd=fd))
    refuse(f"go from {leads_to}", os.fchdir, fd)
    if fd in joins:
        refuse(f"read {leads_to}", os.pread, fd, 100, 0)
        for mode in (os.O_RDWR, os.O_WRONLY):
            refuse(f"open {leads_to} anew", os.open, f"/proc/self/fd/{fd}", mode)
        with open(f"/proc/self/fd/{fd}") as members:  # of a cell of this wall: 0 is a stranger
            print("members:", members.read().split())
        refuse(f"change {leads_to}", os.fchmod, fd, 0o666)
        refuse(f"own {leads_to}", os.fchown, fd, 0, 0)
        for pid in (b"1000000", b"-1", b"4194303"):
            refuse(f"move {pid} to {leads_to}", os.write, fd, pid)
    elif stat.S_ISREG(kind) and os.fstat(fd).st_ino in own:
        print("own namespace:", leads_to)
    elif not stat.S_ISSOCK(kind) and not stat.S_ISFIFO(kind):
        escaped(f"it holds {leads_to}")
    if os.fstat(fd).st_ino not in own:
        refuse(f"enter {leads_to}", call, SETNS, fd, 0)
for name in ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup"):
    namespace = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
    questions = {"owner": GET_USERNS}
    if name in ("user", "pid"):
        questions["parent"] = GET_PARENT
    for what, question in questions.items():
        try:
            above = fcntl.ioctl(namespace, question)
        except OSError as error:
            print("refused:", what, "of", name, "-", error)
            continue
        if os.fstat(above).st_ino not in own:
            refuse(f"enter the {what} of {name}", call, SETNS, above, 0)
with socket.socket(fileno=os.dup(taken.control)) as control:
    flags = socket.MSG_DONTWAIT | socket.MSG_PEEK
    refuse("hear on the control socket what is another's", control.recv, 1000, flags)
contained()
