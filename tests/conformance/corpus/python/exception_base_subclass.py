class Stop(BaseException):
    """Not an Exception."""


try:
    raise Stop("not caught by except Exception")
except Exception:
    print("wrong")
