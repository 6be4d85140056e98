# One line that never ends.
# Expected containment: stopped at the output limit; nobody waits for a newline.
# attack: {"stopped_by": ["output"]}
import sys

while True:
    sys.stdout.write("x" * 100)
