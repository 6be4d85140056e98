"""Make, open and mount devices of the host.

Expected containment: none can be made in a user namespace, none but six are there, and no
file system of a disk is mounted by anybody but the host's root.
"""

import glob
import os
import stat

from attack import contained, refuse
from reach import mount, twice

DISKS = [("b", 254, 0), ("b", 8, 0), ("b", 7, 0), ("b", 259, 0)]
MEMORY = [("c", 1, 1), ("c", 1, 2), ("c", 1, 11), ("c", 10, 232), ("c", 10, 229), ("c", 10, 200)]
KINDS = ("ext4", "xfs", "btrfs", "vfat", "iso9660", "squashfs", "devtmpfs", "debugfs", "tracefs",
         "securityfs", "configfs", "pstore", "efivarfs", "hugetlbfs", "nfs", "9p")  # fmt: skip


def look():
    for kind, major, minor in DISKS + MEMORY:
        mode = (stat.S_IFBLK if kind == "b" else stat.S_IFCHR) | 0o666
        for folder in ("/tmp", "/dev/shm", "/dev", "/run"):
            path = f"{folder}/made-{kind}-{major}-{minor}"
            refuse(f"make {path}", os.mknod, path, mode, os.makedev(major, minor))
    for path in ("/dev/mem", "/dev/kmsg", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/net/tun",
                 "/dev/loop-control", *glob.glob("/dev/[svhx]d*"), *glob.glob("/dev/nvme*"),
                 *glob.glob("/dev/loop*"), *glob.glob("/dev/mapper/*")):  # fmt: skip
        refuse(f"open {path}", os.open, path, os.O_RDONLY)
    for kind in KINDS:
        os.makedirs(f"/tmp/{kind}", exist_ok=True)
        for source in ("/dev/vda", "/dev/sda", "none"):
            refuse(f"mount {source} as {kind}", mount, source, f"/tmp/{kind}", kind)


twice(look)
contained()
