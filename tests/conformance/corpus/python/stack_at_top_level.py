import inspect
import sys
import traceback

print(sys._getframe().f_back, sys._getframe().f_lineno, sys._getframe().f_code.co_name)
print([(f.filename, f.lineno, f.function, f.code_context) for f in inspect.stack()])
traceback.print_stack()


def inner():
    traceback.print_stack(file=sys.stdout)
    return len(inspect.stack())


print(inner())
print(len(sys._current_frames()), inspect.currentframe().f_globals is globals())
