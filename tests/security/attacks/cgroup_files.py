# Tries to leave its cgroup, widen its limits and use a release agent.
# Expected containment: no cgroup file system is mounted and none can be.
import glob
import os
from attack import contained, refuse, refuse_syscall

print(open("/proc/self/cgroup").read())
for path in ("/sys/fs/cgroup", "/cgroup"):
    refuse(path, os.listdir, path)
refuse_syscall("mount cgroup", 165, b"cgroup", b"/tmp", b"cgroup", 0, b"memory")
refuse_syscall("mount cgroup2", 165, b"cgroup2", b"/tmp", b"cgroup2", 0, None)
for path in glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True):
    refuse(path, open, path, "w")
contained()
