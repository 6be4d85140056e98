import atexit
import sys


class Handler:
    def __repr__(self):
        return "<handler>"

    def __call__(self):
        raise ValueError("inside atexit")


atexit.register(lambda: print("still runs", file=sys.stderr))
atexit.register(Handler())
raise RuntimeError("main failed")
