import sys

leave = sys.exit
globals().clear()
__builtins__ = None
leave(4)
