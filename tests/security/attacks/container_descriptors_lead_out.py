"""Look where every open descriptor leads, and climb out over a directory among them.

Expected containment: nothing is open but the three streams; no descriptor of an interpreter
that was there before, of the engine or of the container runtime.
"""

import os
import stat

from attack import contained, escaped, refuse

OWN = os.stat("/etc/passwd")


def climb(number):
    """How many steps above an open directory there are accounts that are not the cell's."""
    # nothing is read: a path alone asks for no right to what lies at its end
    directory = os.open(".", os.O_PATH | os.O_DIRECTORY, dir_fd=number)
    try:
        for steps in range(40):
            try:
                found = os.stat("../" * steps + "etc/passwd", dir_fd=directory)
            except OSError:
                continue
            if (found.st_dev, found.st_ino) != (OWN.st_dev, OWN.st_ino):
                return f"/etc/passwd of another, {steps} steps up"
        return "a directory, and no other root above it"
    finally:
        os.close(directory)


os.makedirs("/tmp/other/etc")
os.mkdir("/tmp/other/place")
open("/tmp/other/etc/passwd", "w").close()
held = os.open("/tmp/other/place", os.O_PATH)
if climb(held) != "/etc/passwd of another, 1 steps up":
    escaped("the probe does not work")
os.close(held)
for name in os.listdir("/proc/self/fd"):
    descriptor = int(name)
    try:
        state = os.fstat(descriptor)
        leads_to = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        continue
    print(descriptor, leads_to)
    if stat.S_ISDIR(state.st_mode) and leads_to != f"/proc/{os.getpid()}/fd":
        escaped(f"a directory is open: {leads_to}")
    if descriptor > 2 and stat.S_ISSOCK(state.st_mode):
        escaped(f"a socket is open: {leads_to}")
for number in range(256):
    refuse(f"climb over {number}", climb, number)
root = os.stat("/")
for start in (".", "/proc/self/cwd", "/proc/self/root", "/proc/self/fd", "/tmp", "/dev/shm"):
    top = os.stat(os.path.join(start, "../" * 40))
    if (top.st_dev, top.st_ino) != (root.st_dev, root.st_ino):
        escaped(f"{start} has another root above it")
if os.getcwd() != "/workspace":
    escaped(f"begins in {os.getcwd()}")
exe = os.readlink("/proc/self/exe")
refuse(f"overwrite {exe}", lambda: os.open("/proc/self/exe", os.O_WRONLY))
refuse(f"overwrite {exe} by name", lambda: os.open(exe, os.O_WRONLY))
contained()
