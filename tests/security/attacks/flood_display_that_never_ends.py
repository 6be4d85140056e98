# One display that claims four gigabytes, and goes on as long as it may.
# Expected containment: what is passed over counts as output too, whose limit ends the program.
# attack: {"stopped_by": ["output"], "max_displays": 0, "limits": {"wall_time_ms": 10000}}
import os
import struct

fd = os.open("/run/display", os.O_WRONLY)
os.write(fd, struct.pack("!I", 0xFFFFFFFF))
while True:
    os.write(fd, b"x" * 65536)
