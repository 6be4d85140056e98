# Looks for descriptors that belong to the platform and uses every one it finds.
# Expected containment: descriptors 0, 1 and 2 (and one for display) are pipes of the program's own.
import os
import stat
from attack import contained, escaped

for name in sorted(os.listdir("/proc/self/fd"), key=int):
    fd = int(name)
    try:
        mode, target = os.fstat(fd).st_mode, os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        continue
    print(fd, target)
    if stat.S_ISDIR(mode) and not target.startswith("/proc/"):
        escaped(f"directory {target} as {fd}")
    if stat.S_ISSOCK(mode):
        escaped(f"socket {target} as {fd}")
    if stat.S_ISREG(mode) and not target.startswith(("/workspace", "/usr/local", "/tmp")):
        escaped(f"file {target} as {fd}")
    if "ns" in target and ":[" in target and "pipe" not in target:
        escaped(f"namespace {target} as {fd}")
    if "cgroup" in target:
        escaped(f"{target} as {fd}")
contained()
