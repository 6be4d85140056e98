import faulthandler
import sys


def a():
    b()


def b():
    sys.stderr.flush()
    faulthandler.dump_traceback(all_threads=False)


print(faulthandler.is_enabled())
a()
