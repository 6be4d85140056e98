# Children that change session, group and parent all the time, faster than a list of them can be read.
# Expected containment: the end of the pid namespace needs no list.
# attack: {"may_die": true, "limits": {"wall_time_ms": 2500}}
import os
import signal
import time

from attack import contained

contained()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
for _ in range(8):
    if os.fork() == 0:
        while True:
            try:
                if os.fork():
                    os._exit(0)
                os.setsid()
            except OSError:
                time.sleep(0.01)
time.sleep(0.5)
