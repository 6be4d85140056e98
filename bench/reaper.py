"""The topmost process of a contender: what is orphaned below it comes to it.

Owns one child and the inheritance of orphans; refuses everything else. A
sandbox may leave a process behind that nobody waits for, whose processor time
would be lost to every account; here it is waited for, so its time is the
tree's. What is left when the child has ended (a kernel that outlives its
client) is ended, too. A program: ``reaper.py [--cgroup DIRECTORY] COMMAND …``, which
joins that cgroup first; standard library only.

Source: PR_SET_CHILD_SUBREAPER(2const), Linux 3.4.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run a command to its end; return its exit status."""
    if command[0] == "--cgroup":
        with open(f"{command[1]}/cgroup.procs", "w") as members:
            members.write("0")  # who writes
        del command[:2]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    child = subprocess.Popen(command, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: os.kill(child.pid, given))
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            _end_orphans()
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_orphans() -> None:
    """Kill what is left, which makes its own children ours, until nothing is."""
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for _ in children:
            os.wait()


def _children() -> list[int]:
    """Our children; none of them can vanish, because only we wait for them."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
            # the name, in parentheses, may hold anything
            if int(file.read().rpartition(") ")[2].split(" ")[1]) == os.getpid():
                found.append(int(entry))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
