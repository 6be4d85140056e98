# A child ends with another exit code right before and after the program does.
# Expected containment: the status reported is the program's.
# attack: {"exit_code": 44}
import os
import time

from attack import contained

contained()
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.001)
        os._exit(0)
os._exit(44)
