# Waits for input from a pipe of its own that never comes.
# Expected containment: stopped at the wall-time limit.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import os

read, write = os.pipe()
os.read(read, 1)
