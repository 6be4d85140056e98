import os

pid = os.fork()
if pid == 0:
    print("child", flush=True)
else:
    _, status = os.waitpid(pid, 0)
    print("parent", os.waitstatus_to_exitcode(status))
