"""Leave by a cgroup: mount one, set a release agent, ask to be told of its end.

Expected containment: no mount (seccomp, no capability), no cgroup file system in sight, and
nothing of /proc by which the kernel could be made to start a program.
"""

import os

from attack import LIBC, contained, escaped, refuse, refuse_syscall

MOUNT = 165
for kind, data in ((b"cgroup", b"memory"), (b"cgroup", b"rdma"), (b"cgroup2", None)):
    os.makedirs("/tmp/cg", exist_ok=True)
    refuse_syscall(f"mount {kind}", MOUNT, b"cg", b"/tmp/cg", kind, 0, data or 0)
for directory, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(directory, f) not in ("/proc", "/usr")]
    for name in files:
        if name in ("release_agent", "notify_on_release", "cgroup.procs", "tasks"):
            escaped(os.path.join(directory, name))
for path in (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/release_agent",
):
    refuse(f"write {path}", lambda p=path: os.open(p, os.O_WRONLY))
# what lies there anybody may read, once there: so it is the way through another process that is shut
for path in ("root/etc/passwd", "cwd/.", "ns/mnt"):
    os.close(os.open(f"/proc/self/{path}", os.O_RDONLY))  # else the probe does not work
    refuse(f"open {path} of pid 1", lambda p=path: os.open(f"/proc/1/{p}", os.O_RDONLY))
if LIBC.setns(os.open("/proc/self/ns/cgroup", os.O_RDONLY), 0) == 0:
    escaped("entered a namespace")
contained()
