# Leaves a daemon by double fork and setsid, then ends.
# Expected containment: it dies with the cell's pid namespace.
import os
import time

from attack import contained

contained()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        while True:
            time.sleep(1)
    os._exit(0)
os.wait()
