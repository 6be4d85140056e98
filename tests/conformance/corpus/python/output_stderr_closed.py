import os
import sys

os.close(2)
print("stdout works")
sys.stderr.write("lost\n")
raise ValueError("lost too")
