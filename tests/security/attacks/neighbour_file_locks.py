# Signals to another cell by locks on files that both can see.
# Expected containment: a covert channel of one bit; reported, not promised away. The shared files are read-only and another's.
# attack: {"mode": "pair", "tolerated": "LOCK"}
import fcntl
import sys
import time

from attack import contained

try:
    file = open("/usr/bin/bash", "rb")
    if sys.argv[1] == "victim":
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(1.5)
    else:
        time.sleep(0.5)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("LOCK of a neighbour seen")
except OSError as error:
    print("refused", error)
contained()
