"""The interpreter's own marks of a finished program, taken away by hand."""
import sys

del __file__
sys.exit(3)
