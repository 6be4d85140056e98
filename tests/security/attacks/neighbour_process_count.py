# Takes every process its limit allows, so that another cell of the same user could start none.
# Expected containment: the limit is counted per cell.
# attack: {"mode": "pair"}
import os
import sys
import time

from attack import contained, escaped

if sys.argv[1] == "attacker":
    try:
        for _ in range(500):
            if os.fork() == 0:
                time.sleep(3)
                os._exit(0)
    except OSError as error:
        print(error)
    time.sleep(1)
    contained()
    os._exit(0)
else:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                os._exit(0)
        except OSError as error:
            escaped(f"a neighbour took our processes: {error}")
        os.wait()
        time.sleep(0.02)
    contained()
