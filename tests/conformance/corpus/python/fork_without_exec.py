import os
import sys

for code in (0, 7):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        print("child leaves through sys.exit", code)
        sys.exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    raise LookupError("a traceback of the forked child")
os.waitpid(pid, 0)
print("parent ends")
