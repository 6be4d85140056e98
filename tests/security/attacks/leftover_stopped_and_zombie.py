# Leaves stopped children and zombies behind.
# Expected containment: killed and reaped.
import os
import signal
import time

from attack import contained

for n in range(10):
    pid = os.fork()
    if pid == 0:
        if n % 2:
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
time.sleep(0.2)
contained()
