# Fills every writable file system.
# Expected containment: each has a size, and its pages count as memory of the run.
# attack: {"may_die": true, "limits": {"workspace_bytes": 33554432, "memory_bytes": 268435456}}
import os

from attack import contained, escaped

data = b"x" * (1 << 20)
total = 0
for directory in ("/workspace", "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/"):
    try:
        for n in range(64):
            with open(f"{directory}/fill{n}", "wb", 0) as file:
                for _ in range(32):
                    total += file.write(data)
    except OSError as error:
        print(directory, error, total >> 20, "MiB")
if total > 256 << 20:
    escaped(f"{total >> 20} MiB of files")
contained()
