import signal
import time


def on_alarm(number, frame):
    print("alarm", signal.Signals(number).name, frame.f_code.co_name, frame.f_lineno)
    raise TimeoutError("too slow")


signal.signal(signal.SIGALRM, on_alarm)


def wait():
    # On one line, so that a slow machine's alarm finds the same frame at the same line.
    signal.setitimer(signal.ITIMER_REAL, 0.1), time.sleep(60)


try:
    wait()
except TimeoutError as error:
    print("caught", error)
signal.alarm(0)
