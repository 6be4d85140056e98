import sys


def hook(kind, value, tb):
    print("hook sees", kind.__name__)
    raise RuntimeError("the hook fails")


sys.excepthook = hook
{}["missing"]
