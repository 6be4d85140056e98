# Writes to stderr without end.
# Expected containment: stopped at the output limit.
# attack: {"stopped_by": ["output"]}
import os

while True:
    os.write(2, b"y" * 65536)
