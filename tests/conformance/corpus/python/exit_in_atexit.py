import atexit
import sys


class Last:
    def __repr__(self):
        return "<last>"

    def __call__(self):
        print("in atexit")
        sys.exit(7)


atexit.register(Last())
print("main done")
