# Leaves a daemon that keeps the program's streams open and goes on printing.
# Expected containment: the run ends with the program; nobody waits for the daemon to close its streams.
# attack: {"max_wall_ms": 4000}
import os
import time

from attack import contained

contained()
if os.fork() == 0:
    os.setsid()
    while True:
        time.sleep(0.1)
        os.write(1, b".")
