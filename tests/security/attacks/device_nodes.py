# Opens every device it can find.
# Expected containment: /dev holds null, zero, full, random, urandom and links, nothing else.
import os
import stat
from attack import contained, escaped

allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
for directory, _, files in os.walk("/dev"):
    for name in files:
        path = os.path.join(directory, name)
        mode = os.lstat(path).st_mode
        if stat.S_ISBLK(mode):
            escaped("block device " + path)
        if stat.S_ISCHR(mode) and name not in allowed and not directory.endswith("pts"):
            escaped("character device " + path)
for path in (
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/vsock",
    "/dev/loop-control",
    "/dev/sda",
    "/dev/vda",
    "/dev/cpu/0/msr",
    "/dev/userfaultfd",
    "/dev/kmsg",
):
    try:
        os.open(path, os.O_RDONLY)
    except OSError as error:
        print("refused:", error)
    else:
        escaped("opened " + path)
contained()
