import signal
import time


def on_alarm(number, frame):
    print("alarm", signal.Signals(number).name, frame.f_code.co_name, frame.f_lineno)
    raise TimeoutError("too slow")


signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.1)


def wait():
    time.sleep(5)


try:
    wait()
except TimeoutError as error:
    print("caught", error)
signal.alarm(0)
