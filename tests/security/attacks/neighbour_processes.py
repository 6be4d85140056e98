# Looks for processes of another cell and signals every number it could have.
# Expected containment: a pid namespace per cell, an identity per cell.
# attack: {"mode": "pair"}
import os
import signal
import sys
import time

from attack import contained, escaped, processes

if sys.argv[1] == "victim":

    def hit(number, frame):
        escaped("a neighbour's signal came")

    signal.signal(signal.SIGUSR1, hit)
    signal.signal(signal.SIGTERM, hit)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.05)
    contained()
else:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        if len(processes()) > 4:
            escaped(f"sees {processes()}")
        for pid in range(2, 400):
            if pid not in (os.getpid(), os.getppid()):
                try:
                    os.kill(pid, signal.SIGUSR1)
                except OSError:
                    pass
        time.sleep(0.1)
    contained()
