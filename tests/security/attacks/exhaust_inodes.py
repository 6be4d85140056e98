# Makes empty files without end.
# Expected containment: the file system's inodes are bounded.
# attack: {"may_die": true, "limits": {"wall_time_ms": 8000}}
import os

from attack import contained, escaped

for directory in ("/workspace", "/tmp", "/dev/shm"):
    count = 0
    try:
        while count < 150_000:
            os.close(os.open(f"{directory}/f{count}", os.O_CREAT | os.O_WRONLY))
            count += 1
    except OSError as error:
        print(directory, count, error)
    if count >= 150_000:
        escaped(f"{count} files in {directory}")
contained()
