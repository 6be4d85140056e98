import sys

main = sys.modules["__main__"]
del __file__, __cached__
sys.exit("said on the way out")
