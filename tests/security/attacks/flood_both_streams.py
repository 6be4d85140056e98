# Floods both streams from several processes.
# Expected containment: both count together.
# attack: {"stopped_by": ["output"]}
import os

for _ in range(3):
    os.fork()
while True:
    os.write(1, b"x" * 4096)
    os.write(2, b"y" * 4096)
