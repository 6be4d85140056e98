"""What a program puts there for a debugger is no exception that has ended it."""
import sys

try:
    1 / 0
except ZeroDivisionError:
    sys.last_type, sys.last_value, sys.last_traceback = sys.exc_info()
print("still well")
