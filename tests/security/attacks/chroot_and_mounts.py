# Tries to mount, chroot, pivot, bind and make device nodes.
# Expected containment: no capability and no system call for it.
import os
import stat
from attack import LIBC, contained, refuse, refuse_syscall

refuse("chroot", os.chroot, "/tmp")
for name, number, arguments in (
    ("mount", 165, (b"none", b"/tmp", b"tmpfs", 0, None)),
    ("bind", 165, (b"/", b"/tmp", None, 4096, None)),
    ("umount2", 166, (b"/tmp", 2)),
    ("pivot_root", 155, (b"/tmp", b"/tmp")),
    ("open_tree", 428, (-100, b"/", 1)),
    ("move_mount", 429, (-100, b"/", -100, b"/tmp", 0)),
    ("fsopen", 430, (b"tmpfs", 0)),
    ("fspick", 433, (-100, b"/tmp", 0)),
    ("mount_setattr", 442, (-100, b"/", 0, None, 0)),
    ("open_tree_attr", 467, (-100, b"/", 1, None, 0)),
    ("statmount", 457, (None, None, 0, 0)),
    ("swapon", 167, (b"/tmp/x", 0)),
    ("quotactl", 179, (0, None, 0, None)),
):
    refuse_syscall(name, number, *arguments)
refuse("block device", os.mknod, "/tmp/sda", stat.S_IFBLK | 0o600, os.makedev(8, 0))
refuse("memory device", os.mknod, "/tmp/mem", stat.S_IFCHR | 0o600, os.makedev(1, 1))
refuse("null device", os.mknod, "/tmp/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
contained()
