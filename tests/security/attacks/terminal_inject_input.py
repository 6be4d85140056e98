# Pushes characters into a terminal it may share with the platform.
# Expected containment: no controlling terminal; TIOCSTI and TIOCLINUX are refused.
import fcntl
import os
import termios
from attack import contained, refuse

for fd in (0, 1, 2):
    refuse(f"TIOCSTI on {fd}", fcntl.ioctl, fd, termios.TIOCSTI, b"x")
    refuse(f"TIOCLINUX on {fd}", fcntl.ioctl, fd, 0x541C, b"\x03")
    refuse(f"TIOCSETD on {fd}", fcntl.ioctl, fd, 0x5423, b"\x00\x00\x00\x00")
refuse("/dev/tty", os.open, "/dev/tty", os.O_RDWR)
refuse("/dev/console", os.open, "/dev/console", os.O_RDWR)
contained()
