import sys

# A tuple is printed and the status is 1.
sys.exit(("a", 3.5, None, True))
