# Spreads memory over children, each below the limit.
# Expected containment: the limit counts all processes together.
# attack: {"stopped_by": ["memory"], "limits": {"memory_bytes": 134217728, "wall_time_ms": 6000}}
import os
import time

from attack import escaped

for _ in range(12):
    if os.fork() == 0:
        block = bytearray(64 << 20)
        for i in range(0, len(block), 4096):
            block[i] = 1
        time.sleep(60)
        os._exit(0)
time.sleep(5)
escaped("768 MiB of memory in children")
