"""Change what the kernel does for everybody: /proc/sys, /proc and /sys, those there and new ones.

Expected containment: but for what belongs to a namespace of the wall's own, every file is
the host's root's; the memory and the log of the kernel are not to be read.
"""

import os
import re

from attack import contained, escaped, refuse
from reach import NEW_IPC, NEW_NET, NEW_UTS, UNSHARE, call, mount, read, twice

# settings of a namespace: they change nothing outside it. Writing to a pressure file asks
# to be told of pressure, which everybody may.
OF_A_NAMESPACE = re.compile(
    r"sys/(net/|user/max_|fs/mqueue/|fs/binfmt_misc/|kernel/(shm|msg|sem|auto_msgmni|hostname"
    r"|domainname|ns_last_pid|pid_max))|[0-9]+/|self/|thread-self/|net/|pressure/"
)
SETTINGS = ("sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hotplug",
            "sys/kernel/sysrq", "sys/kernel/panic", "sys/kernel/randomize_va_space",
            "sys/kernel/yama/ptrace_scope", "sys/kernel/unprivileged_bpf_disabled",
            "sys/vm/panic_on_oom", "sys/vm/overcommit_memory", "sys/vm/drop_caches",
            "sys/fs/suid_dumpable", "sys/fs/protected_symlinks", "sys/kernel/core_uses_pid",
            "sysrq-trigger", "irq/default_smp_affinity", "bus/pci", "mtrr",
            "latency_stats")  # fmt: skip
SECRET = ("kcore", "kmsg", "kpageflags", "kpagecount", "vmallocinfo", "slabinfo", "timer_list",
          "sched_debug", "vmcore")  # fmt: skip


def openable(top):
    """Files beneath that can be opened to be written; written to is none."""
    found = []
    for folder, folders, names in os.walk(top):
        inner = folder[len(top) + 1 :]
        folders[:] = [f for f in folders if not OF_A_NAMESPACE.match(f"{inner}/{f}/".lstrip("/"))]
        for name in names:
            path = f"{folder}/{name}"
            if os.path.islink(path) or OF_A_NAMESPACE.match(path[len(top) + 1 :]):
                continue
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            found.append(path)
    return found


def look(proc="/proc"):
    for name in SETTINGS:  # who may write is asked when it is opened
        refuse(f"write {proc}/{name}", os.open, f"{proc}/{name}", os.O_WRONLY)
    for name in SECRET:
        refuse(f"read {proc}/{name}", read, f"{proc}/{name}")
    if found := openable(proc):
        escaped(f"{found[:5]} can be written")
    if os.path.isdir("/sys/kernel") and (found := openable("/sys")):
        escaped(f"{found[:5]} can be written")


twice(look)
call(UNSHARE, NEW_NET | NEW_IPC | NEW_UTS)
for kind in ("proc", "sysfs"):
    place = f"/tmp/{kind}"
    os.makedirs(place, exist_ok=True)
    try:
        mount(kind, place, kind)
    except OSError as error:
        print("not mounted:", kind, "-", error)
        continue
    if kind == "proc":
        look(place)
    elif found := [path for path in openable(place) if "/net/" not in path]:
        escaped(f"{found[:5]} can be written")
call(170, b"mine", 4)  # sethostname: what is its own it may change
contained()
