"""Call what the kernel has for its own: modules, other kernels, clocks, programs, devices.

Expected containment: refused for what they are, whatever the arguments, by the filter of
the outer wall.
"""

import ctypes

from attack import contained, refuse_syscall
from reach import NEW_USER, UNSHARE, call

zeros = ctypes.create_string_buffer(256)
CALLS = (
    ("init_module", 175, (zeros, 128, b"")),
    ("finit_module", 313, (0, b"", 0)),
    ("delete_module", 176, (b"ext4", 0)),
    ("kexec_load", 246, (0, 0, None, 0)),
    ("kexec_file_load", 320, (0, 0, 0, b"", 0)),
    ("reboot", 169, (0xFEE1DEAD, 672274793, 0)),
    ("bpf", 321, (0, zeros, 128)),
    ("io_uring_setup", 425, (8, zeros)),
    ("perf_event_open", 298, (zeros, 0, -1, -1, 0)),
    ("userfaultfd", 323, (1,)),
    ("open_by_handle_at", 304, (0, zeros, 0)),
    ("name_to_handle_at", 303, (-100, b"/", zeros, zeros, 0)),
    ("ptrace", 101, (0, 0, 0, 0)),
    ("settimeofday", 164, (zeros, None)),
    ("clock_settime", 227, (0, zeros)),
    ("clock_adjtime", 305, (0, zeros)),
    ("swapon", 167, (b"/tmp/swap", 0)),
    ("syslog", 103, (3, zeros, 100)),
    ("acct", 163, (b"/tmp/acct",)),
    ("quotactl", 179, (0x800002, b"/dev/vda", 0, zeros)),
    ("iopl", 172, (3,)),
    ("ioperm", 173, (0, 1, 1)),
    ("pivot_root", 155, (b"/", b"/")),
    ("umount2", 166, (b"/proc", 2)),
    ("chroot", 161, (b"/tmp",)),
    ("fsopen", 430, (b"tmpfs", 0)),
    ("open_tree", 428, (-100, b"/", 1)),
    ("move_mount", 429, (-100, b"/proc", -100, b"/tmp", 0)),
    ("mount_setattr", 442, (-100, b"/", 0x8000, zeros, 32)),
    ("clone3", 435, (zeros, 88)),
    ("fanotify_init", 300, (0, 0)),
    ("vhangup", 153, ()),
    ("lookup_dcookie", 212, (0, zeros, 10)),
    ("setdomainname", 171, (b"x", 1)),
    ("process_madvise", 440, (0, zeros, 0, 0, 0)),
    ("memfd_secret", 447, (0,)),
)
for namespaces in (0, NEW_USER):
    call(UNSHARE, namespaces)
    for name, number, arguments in CALLS:
        refuse_syscall(name, number, *arguments)
contained()
