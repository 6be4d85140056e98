# Gives the agent thousands of orphans to reap, each with an odd end.
# Expected containment: reaped; the exit code stays the program's.
# attack: {"exit_code": 33}
import os
import signal
import time

from attack import contained

contained()
for n in range(300):
    try:
        pid = os.fork()
    except OSError:
        time.sleep(0.02)
        continue
    if pid == 0:
        if os.fork() == 0:
            if n % 3 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(n % 256)
        os._exit(0)
    os.waitpid(pid, 0)
os._exit(33)
