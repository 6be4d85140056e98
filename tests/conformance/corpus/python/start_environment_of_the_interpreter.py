# case: {"env": {"PYTHONOPTIMIZE": "1", "PYTHONIOENCODING": "ascii:replace", "PYTHONDEVMODE": "1"}}
import sys

assert 0
print("\u00e9", sys.flags.dev_mode, sys.flags.optimize)
