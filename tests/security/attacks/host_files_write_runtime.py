# Tries to change the runtime that later cells will use.
# Expected containment: everything outside /workspace, /tmp and /dev/shm is read-only and another's.
import os
import sys
from attack import contained, refuse, refuse_syscall

for root in (
    "/usr",
    "/etc",
    "/usr/local/lib",
    "/usr/lib/vibecell",
    "/usr/bin",
    "/",
    "/dev",
    "/var",
    "/run",
):
    if os.path.isdir(root):
        refuse(root, open, root + "/planted", "w")
for path in (sys.executable, os.__file__, "/etc/passwd", "/usr/lib/vibecell/zygote.py"):
    refuse("write " + path, open, path, "r+b")
    refuse("chmod " + path, os.chmod, path, 0o777)
    refuse("unlink " + path, os.unlink, path)
    refuse("rename " + path, os.rename, path, "/tmp/x")
    refuse("hard link " + path, os.link, path, "/workspace/linked")
    refuse("truncate " + path, os.truncate, path, 0)
    refuse("utime " + path, os.utime, path)
contained()
