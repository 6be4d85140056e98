# Fills files in memory that belong to no workspace.
# Expected containment: refused, or counted as memory of the run.
# attack: {"may_die": true, "limits": {"memory_bytes": 134217728}}
import os

from attack import contained, escaped

data = b"x" * (1 << 20)
total = 0
try:
    for _ in range(16):
        fd = os.memfd_create("hidden")
        for _ in range(64):
            total += os.write(fd, data)
except OSError as error:
    print(error)
if total > 512 << 20:
    escaped(f"{total >> 20} MiB in memory files")
contained()
