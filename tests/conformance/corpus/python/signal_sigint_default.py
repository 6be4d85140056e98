import atexit
import os
import signal

atexit.register(print, "atexit after the interrupt")


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass


print("start")
interrupt()
