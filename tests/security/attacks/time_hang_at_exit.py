# Hangs after the end of the program: in atexit, in a thread, in a destructor.
# Expected containment: stopped at the wall-time limit.
# attack: {"stopped_by": ["wall_time"], "limits": {"wall_time_ms": 1000}}
import atexit
import threading
import time

threading.Thread(target=time.sleep, args=(3600,)).start()
atexit.register(time.sleep, 3600)
