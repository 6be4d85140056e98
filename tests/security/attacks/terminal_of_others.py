# attack: {"mode": "pair"}
# Looks for terminals that are not its own: a neighbour's, its agent's, the host's.
# Expected containment: a file system of terminals of its own, in which each has only what was made there.
import fcntl
import os
import struct
import sys
import time

from attack import contained, escaped, refuse

TIOCGPTN, TIOCGPTPEER = 0x80045430, 0x5441
MARK = sys.argv[1].encode()


def number(master):
    return struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, bytes(4)))[0]


if os.listdir("/dev/pts") != ["ptmx"]:
    escaped(f"somebody's terminals: {os.listdir('/dev/pts')}")
for n in range(64):
    refuse(f"/dev/pts/{n}", os.open, f"/dev/pts/{n}", os.O_RDWR | os.O_NOCTTY)
mine = []
for path in ("/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/../ptmx"):
    master = os.open(path, os.O_RDWR | os.O_NOCTTY)
    mine.append((number(master), master))
if [n for n, _ in mine] != list(range(len(mine))):
    escaped(f"numbers that others count: {mine}")
master, slave = os.openpty()
os.write(slave, MARK)
time.sleep(0.5)  # the neighbour does the same meanwhile
for n, fd in [*mine, (number(master), master)]:
    os.set_blocking(fd, False)
    try:
        said = os.read(fd, 100)
    except OSError:
        continue
    if said != MARK:
        escaped(f"terminal {n} holds {said!r}")
for path in ("/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/hvc0", "/dev/vcs"):
    refuse(path, os.open, path, os.O_RDWR | os.O_NOCTTY)
for name in ("0", "1", "2", "3", "4", "5", "6", "7", "8"):
    refuse(f"descriptor {name} of the agent", os.open, f"/proc/1/fd/{name}", os.O_RDWR)
fd = os.open("/dev/null", os.O_RDWR)
refuse("the peer of what is no master", fcntl.ioctl, fd, TIOCGPTPEER, os.O_RDWR)
refuse("the peer of a slave", fcntl.ioctl, slave, TIOCGPTPEER, os.O_RDWR)
refuse("make a node of a terminal", os.mknod, "/workspace/pts", 0o20666, os.makedev(136, 0))
refuse("make a node of the console", os.mknod, "/dev/pts/99", 0o20666, os.makedev(5, 1))
refuse("give a terminal away", os.fchown, slave, 0, 0)
contained()
