# Stops itself and its children: a stopped process does not end by itself.
# Expected containment: stopped at the wall-time limit; SIGKILL works on the stopped.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import os
import signal

if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGSTOP)
while True:
    signal.pause()
