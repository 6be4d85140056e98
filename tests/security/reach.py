"""What every attack by a zygote has at hand beside ``attack.py``: mounts, and whom to reach.

``OTHERS`` are things of the host and of a neighbour behind another wall, by name.
"""

import ctypes
import json
import os
import sys

from attack import LIBC, escaped

OTHERS = json.loads(sys.argv[1])
MOUNT, UMOUNT, UNSHARE, SETNS = 165, 166, 272, 308
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_MOVE = 2, 4, 8, 32, 4096, 8192
NEW_MOUNT, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x20000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
# all that begins as a zygote's own: a mount that it has not made itself it cannot move
COVERS = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/dev/mqueue", "/dev/pts", "/dev",
          "/run", "/sys", "/proc")  # fmt: skip


def call(number, *arguments):
    """A raw system call.

    Raises:
        OSError: as the kernel says.
    """
    widened = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *widened)
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def mount(source, target, kind="", flags=0, options=""):
    """See mount(2)."""
    call(MOUNT, source.encode(), target.encode(), kind.encode(), flags, options.encode())


def write(path, text="x"):
    """To what is there already: creates nothing."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def read(path):
    """The first byte; there must be one."""
    with open(path, "rb", 0) as file:
        if not file.read(1):
            raise OSError(0, "nothing in it")


def places():
    """Every mount that is on top: where, of which kind, and whether it may be written to.

    Source: proc_pid_mountinfo(5)
    """
    with open("/proc/self/mountinfo") as mountinfo:
        top = {fields[4]: fields for fields in map(str.split, mountinfo)}
    return [(p, f[f.index("-") + 1], "rw" in f[5].split(",")) for p, f in top.items()]


def uncover():
    """Take away what the zygote has put over the tool's mounts; how many there were.

    Whoever has taken a zygote may undo what that did, and no more. A ``/proc`` that had
    nothing beneath is put back: an attack has to see.
    """
    moved = 0
    for place in COVERS:
        aside = f"/tmp/aside{place}"
        if os.path.isdir(place):
            os.makedirs(aside, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            open(aside, "w").close()
        try:
            mount(place, aside, "", MS_MOVE)
            moved += 1
        except OSError as error:
            print("stays:", place, "-", error)
    if not os.path.exists("/proc/self"):
        mount("/tmp/aside/proc", "/proc", "", MS_MOVE)
    return moved


# what an attack does to its mounts is not there for the next behind the same wall
call(UNSHARE, NEW_MOUNT)


def twice(look):
    """Look as things are, and again with everything uncovered that can be."""
    look()
    print("uncovered:", uncover())
    look()


def no_secret(where, content):
    """Of what was read: nothing in it is another's."""
    for secret in OTHERS["secrets"]:
        if secret in content:
            escaped(f"{secret} in {where}")
