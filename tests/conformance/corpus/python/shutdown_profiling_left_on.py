import sys
import threading  # its own work at the end is shown, wherever it is imported


def show(frame, event, arg):
    if event in ("call", "return"):
        sys.stderr.write(f"{event} {frame.f_code.co_name}\n")


def profiled():
    return 1


sys.setprofile(show)
profiled()
