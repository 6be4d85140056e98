"""Tell a later program, or oneself, another memory limit, or lead its names elsewhere.

Expected containment: the file and the names are in file systems that are read-only, whoever owns
them; what is told changes nothing of what is granted.
"""

import os

from attack import contained, escaped, refuse

LIMIT = "/run/memory.max"
NAMES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
told = open(LIMIT).read()

for path in (LIMIT, *NAMES):
    refuse(f"write {path}", open, path, "w")
    refuse(f"append to {path}", open, path, "r+")
    refuse(f"remove {path}", os.unlink, path)
    refuse(f"replace {path}", os.symlink, "/workspace/mine", path)
    refuse(f"rename {path}", os.rename, path, path + ".old")
    refuse(f"change the mode of {path}", os.chmod, path, 0o666)
    refuse(f"cut {path}", os.truncate, path, 0)
    refuse(f"touch {path}", os.utime, path)
for folder in ("/run", "/sys", "/sys/fs", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
    refuse(f"make a file in {folder}", open, f"{folder}/more", "w")
    refuse(f"make a folder in {folder}", os.mkdir, f"{folder}/folder")
opened = os.open(LIMIT, os.O_RDONLY)
refuse("write by way of /proc", open, f"/proc/self/fd/{opened}", "w")
if any(open(path).read() != told for path in (LIMIT, *NAMES)):
    escaped("another limit is told")
if not 0 < int(told) < 1 << 53:
    escaped(f"no limit is told: {told!r}")
contained()
