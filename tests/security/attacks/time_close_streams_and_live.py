# Closes its streams, so that a reader of them sees an end, and lives on.
# Expected containment: the end of output is not the end of the program; stopped at the wall-time limit.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import os
import time

for fd in range(64):
    try:
        os.close(fd)
    except OSError:
        pass
time.sleep(3600)
