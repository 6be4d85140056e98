# Forks without end, from every child.
# Expected containment: the limit on processes refuses; the run ends at its time limit at the latest.
# attack: {"may_die": true, "limits": {"wall_time_ms": 2000}}
import os

from attack import contained

contained()
while True:
    try:
        os.fork()
    except OSError:
        pass
