# Tries to leave its cgroup, widen its limits and use a release agent.
# Expected containment: no cgroup file system is mounted and none can be. Where one would be are
# files that tell the memory limit, and nothing else; they cannot be changed, nor can others be made.
import os
from attack import contained, refuse, refuse_syscall

TOLD = {
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.soft_limit_in_bytes",
}
print(open("/proc/self/cgroup").read())
refuse("/cgroup", os.listdir, "/cgroup")
there = {f"{folder}/{name}" for folder, _, names in os.walk("/sys") for name in names}
assert there == TOLD, there
for path in TOLD:
    refuse(path, open, path, "w")
    refuse(path, os.unlink, path)
for name in ("cgroup.procs", "release_agent", "memory/cgroup.procs"):
    refuse(name, open, f"/sys/fs/cgroup/{name}", "w")
refuse_syscall("mount cgroup", 165, b"cgroup", b"/tmp", b"cgroup", 0, b"memory")
refuse_syscall("mount cgroup2", 165, b"cgroup2", b"/tmp", b"cgroup2", 0, None)
contained()
