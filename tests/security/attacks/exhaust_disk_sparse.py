# Makes files that claim to be huge.
# Expected containment: the file-size limit refuses, or nothing is taken; collection skips them.
# attack: {"limits": {"workspace_bytes": 8388608}, "max_collected_bytes": 4194304}
import os
import signal

from attack import contained

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for n in range(20):
    with open(f"huge{n}.bin", "wb") as file:
        for size in (1 << 50, 1 << 40, 1 << 30, 1 << 22):
            try:
                file.truncate(size)
                break
            except OSError as error:
                print(error)
        try:
            os.posix_fallocate(file.fileno(), 0, 1 << 40)
        except OSError as error:
            print(error)
contained()
