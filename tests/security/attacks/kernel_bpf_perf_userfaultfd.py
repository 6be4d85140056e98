# Reaches for the parts of the kernel that exploits are made of.
# Expected containment: refused by the filter.
import ctypes
from attack import contained, refuse_syscall

attributes = ctypes.create_string_buffer(128)
for name, number, arguments in (
    ("bpf", 321, (0, attributes, 128)),
    ("perf_event_open", 298, (attributes, 0, -1, -1, 0)),
    ("userfaultfd", 323, (1,)),
    ("fanotify_init", 300, (0, 0)),
    ("vmsplice", 278, (1, None, 0, 0)),
    ("remap_file_pages", 216, (0, 0, 0, 0, 0)),
    ("modify_ldt", 154, (0, attributes, 16)),
    ("move_pages", 279, (0, 0, None, None, None, 0)),
    ("mbind", 237, (0, 0, 0, None, 0, 0)),
    ("memfd_secret", 447, (0,)),
    ("lookup_dcookie", 212, (0, attributes, 128)),
    ("acct", 163, (b"/tmp/acct",)),
    ("syslog", 103, (3, attributes, 128)),
    ("kexec_load", 246, (0, 0, None, 0)),
    ("init_module", 175, (attributes, 128, b"")),
    ("finit_module", 313, (0, b"", 0)),
    ("delete_module", 176, (b"x", 0)),
    ("iopl", 172, (3,)),
    ("ioperm", 173, (0, 1, 1)),
    ("reboot", 169, (0xFEE1DEAD, 672274793, 0, None)),
    ("settimeofday", 164, (attributes, None)),
    ("clock_settime", 227, (0, attributes)),
    ("adjtimex", 159, (ctypes.create_string_buffer(b"\x01" + b"\0" * 300),)),
    ("sethostname", 170, (b"x", 1)),
    ("setdomainname", 171, (b"x", 1)),
    ("vhangup", 153, ()),
    ("uselib", 134, (b"/bin/sh",)),
    ("nfsservctl", 180, (0, None, None)),
):
    refuse_syscall(name, number, *arguments)
contained()
