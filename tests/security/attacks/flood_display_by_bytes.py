# A display written byte by byte, so that its reader wakes up for each.
# Expected containment: the reader's work counts as the program's processor time.
# attack: {"stopped_by": ["cpu_time", "output"], "max_displays": 0, "limits": {"cpu_time_ms": 800, "wall_time_ms": 20000}}
import os
import struct

fd = os.open("/run/display", os.O_WRONLY)
os.write(fd, struct.pack("!I", 4_000_000))
while True:
    os.write(fd, b"x")
    os.sched_yield()
