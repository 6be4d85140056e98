# Ignores every signal that can be ignored and blocks the rest.
# Expected containment: stopped at the wall-time limit; SIGKILL cannot be ignored.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import signal
import time

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    time.sleep(1)
