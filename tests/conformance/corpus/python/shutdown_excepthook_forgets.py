import sys


def forget(kind, value, trace):
    print("seen:", value)
    for name in ("last_type", "last_value", "last_traceback"):
        delattr(sys, name)


sys.excepthook = forget
raise ValueError("forgotten")
