import sys

result = (__name__, __package__, sys.argv[0])
