# Writes display data without end to every descriptor it may be listening on.
# Expected containment: no descriptor of the agent's is the program's.
# attack: {"may_die": true, "max_displays": 0, "limits": {"wall_time_ms": 3000}}
import os

from attack import contained

contained()
block = (b'{"text/plain":"' + b"x" * 60000 + b'"}\n') * 4
for fd in range(3, 256):
    try:
        for _ in range(300):
            os.write(fd, block)
    except OSError:
        pass
