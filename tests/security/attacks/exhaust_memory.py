# Takes memory until none is left.
# Expected containment: stopped at the memory limit.
# attack: {"stopped_by": ["memory", "wall_time"], "limits": {"memory_bytes": 134217728}}
from attack import escaped

blocks = []
for _ in range(64):
    block = bytearray(16 << 20)
    for i in range(0, len(block), 4096):
        block[i] = 1
    blocks.append(block)
escaped("1 GiB of memory")
