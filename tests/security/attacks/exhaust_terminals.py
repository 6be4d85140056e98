# Opens pseudo-terminals without end.
# Expected containment: there are none, or few, of its own.
import os

from attack import contained, escaped

count = 0
try:
    while count < 1000:
        os.openpty()
        count += 1
except OSError as error:
    print(count, error)
if count > 64:
    escaped(f"{count} terminals")
contained()
