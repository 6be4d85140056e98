import sys
import threading


def hook(args):
    print("hooked:", args.exc_type.__name__, args.exc_value, args.thread.name)


threading.excepthook = hook
sys.excepthook = lambda kind, value, tb: print("main hooked:", kind.__name__, value)
t = threading.Thread(target=lambda: 1 / 0, name="t1")
t.start()
t.join()
raise KeyError("k")
