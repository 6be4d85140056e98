import sys


class Complaint:
    """A callable whose representation carries no address."""

    def __repr__(self):
        return "<complaint>"

    def __call__(self):
        raise ValueError("in __del__")


class Bad:
    __del__ = Complaint()


def generator():
    try:
        yield 1
    finally:
        print("generator closed", sys.is_finalizing())


Bad()
g = generator()
next(g)
kept = Bad()
print("end of main")
