# Burns processor time in a relay of children, none of which lives long.
# Expected containment: the time of all processes counts together.
# attack: {"stopped_by": ["cpu_time"], "limits": {"cpu_time_ms": 1000, "wall_time_ms": 9000}}
import os
import time

while True:
    if os.fork() == 0:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        os._exit(0)
    os.wait()
