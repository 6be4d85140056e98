# Starts threads without end.
# Expected containment: threads count as processes.
# attack: {"limits": {"processes": 32}}
import threading
import time

from attack import contained, escaped

count = 0
try:
    while count < 2000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError as error:
    print(error)
if count > 64:
    escaped(f"{count} threads")
contained()
