# Pushes characters into a terminal it may share with the platform, or into one of its own.
# Expected containment: no terminal of the platform's; TIOCSTI, TIOCLINUX and TIOCSETD are refused.
import fcntl
import os
import termios

from attack import contained, escaped, refuse, refuse_syscall

TIOCLINUX, TIOCSETD, TIOCCONS, TIOCVHANGUP = 0x541C, 0x5423, 0x541D, 0x5437
IOCTL = {"x86_64": 16, "aarch64": 29}[os.uname().machine]


def attempt(fd):
    refuse(f"TIOCSTI on {fd}", fcntl.ioctl, fd, termios.TIOCSTI, b"x")
    refuse(f"TIOCLINUX on {fd}", fcntl.ioctl, fd, TIOCLINUX, b"\x03")
    refuse(f"TIOCSETD on {fd}", fcntl.ioctl, fd, TIOCSETD, b"\x00\x00\x00\x00")
    refuse(f"TIOCCONS on {fd}", fcntl.ioctl, fd, TIOCCONS)
    # the kernel takes 32 bits of a request, whatever is above them
    for request in (termios.TIOCSTI, TIOCLINUX, TIOCSETD):
        for above in (1 << 32, -1 << 32):
            refuse_syscall(f"{request | above:#x} on {fd}", IOCTL, fd, request | above, b"x")


for standard in (0, 1, 2):
    attempt(standard)
refuse("/dev/tty", os.open, "/dev/tty", os.O_RDWR)
refuse("/dev/console", os.open, "/dev/console", os.O_RDWR)
master, slave = os.openpty()
attempt(master)
attempt(slave)
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
attempt(os.open("/dev/tty", os.O_RDWR))
refuse("hang a terminal up for all", fcntl.ioctl, slave, TIOCVHANGUP)
os.set_blocking(slave, False)
try:
    escaped(f"somebody typed {os.read(slave, 10)!r}")
except BlockingIOError:
    contained()
