# Ignores SIGXCPU and burns.
# Expected containment: stopped at the CPU or wall limit.
# attack: {"stopped_by": ["cpu_time"], "limits": {"cpu_time_ms": 1000, "wall_time_ms": 8000}}
import signal

signal.signal(signal.SIGXCPU, signal.SIG_IGN)
while True:
    pass
