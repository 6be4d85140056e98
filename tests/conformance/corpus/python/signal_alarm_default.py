import signal
import time

print("SIGALRM kills by default", flush=True)
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(5)
