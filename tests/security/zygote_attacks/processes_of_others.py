"""Reach for processes of the host, of the engine and of other walls: by number, by /proc.

Expected containment: a pid namespace of the wall's; no number of the host means anybody in
it, and no process that is not of the wall is in any /proc that can be uncovered.
"""

import ctypes
import os
import resource

from attack import contained, escaped, refuse, refuse_syscall
from reach import OTHERS, call, no_secret, twice

PTRACE, KCMP, READ_OF_OTHERS, PIDFD_GETFD = 101, 312, 310, 438
buffer = ctypes.create_string_buffer(64)


def look():
    names = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("comm", "cmdline", "environ", "status"):
            try:
                with open(f"/proc/{pid}/{name}") as file:
                    content = file.read()
            except OSError:
                continue
            no_secret(f"/proc/{pid}/{name}", content)
            if name == "comm":
                names.add(content.strip())
    print("seen:", sorted(names))
    if not names:
        escaped("nothing was seen: the probe does not work")


for pid in OTHERS["pids"]:
    refuse(f"signal {pid}", os.kill, pid, 0)
    refuse(f"signal group {pid}", os.killpg, pid, 0)
    refuse(f"hold {pid}", os.pidfd_open, pid)
    refuse(f"limit {pid}", resource.prlimit, pid, resource.RLIMIT_CPU)
    refuse(f"bind {pid}", os.sched_setaffinity, pid, {0})
    refuse(f"slow {pid}", os.setpriority, os.PRIO_PROCESS, pid, 5)
    refuse(f"find {pid}", os.stat, f"/proc/{pid}")
    refuse(f"ask for the session of {pid}", os.getsid, pid)
    for name in ("user", "pid", "mnt", "net"):
        refuse(f"open the namespace {name} of {pid}", os.open, f"/proc/{pid}/ns/{name}", 0)
    refuse_syscall(f"trace {pid}", PTRACE, 16, pid, 0, 0)
    refuse_syscall(f"read {pid}", READ_OF_OTHERS, pid, buffer, 0, buffer, 0, 0)
    refuse_syscall(f"compare with {pid}", KCMP, os.getpid(), pid, 0, 0, 0)
own = os.pidfd_open(os.getpid())
refuse_syscall("take a descriptor", PIDFD_GETFD, own, 0, 0)
call(424, own, 0, 0, 0)  # pidfd_send_signal: what is one's own can be signalled
twice(look)
contained()
