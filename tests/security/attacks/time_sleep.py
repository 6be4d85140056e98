# Sleeps for ever, using nothing.
# Expected containment: stopped at the wall-time limit.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import time

time.sleep(3600)
