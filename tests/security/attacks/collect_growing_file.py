# Leaves a daemon that makes an output file grow while it is read.
# Expected containment: it is dead before collection; size is bounded.
# attack: {"max_collected_bytes": 4194304}
import os
import time

from attack import contained

contained()
if os.fork() == 0:
    os.setsid()
    with open("growing.txt", "wb", 0) as file:
        while True:
            file.write(b"x" * 100_000)
time.sleep(0.1)
