# Writes single bytes, to make as many messages as possible.
# Expected containment: bytes are gathered; stopped at a limit.
# attack: {"stopped_by": ["output", "wall_time", "cpu_time"], "limits": {"output_bytes": 100000, "wall_time_ms": 4000}}
import os

while True:
    os.write(1, b"x")
    os.write(2, b"y")
