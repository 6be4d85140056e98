import sys
import threading  # its own work at the end is shown, wherever it is imported


def show(frame, event, arg):
    print(event, frame.f_code.co_name)


def traced():
    return 1


sys.settrace(show)
traced()
