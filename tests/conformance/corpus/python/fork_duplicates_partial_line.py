import os
import sys

sys.stdout.write("buffered once, printed twice;")
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    print("parent")
else:
    print("child")
