"""Undo what the tool that made the wall has done: what is read-only, covered, nosuid, nodev.

Expected containment: what came with a container is locked, and keeps its flags. What
bubblewrap has mounted is the wall's own: that may be made writable, but is another's.
"""

import os

from attack import contained, escaped, refuse
from reach import (
    MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REMOUNT, NEW_MOUNT, NEW_USER, OTHERS,
    UNSHARE, call, mount, places, uncover,
)  # fmt: skip

REC = 16384
OWN = ("tmpfs", "proc", "mqueue", "devpts")
with open("/proc/self/status") as status:
    if "NoNewPrivs:\t1" not in status.read():
        escaped("it may gain privileges by exec")


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def change(what, place, flags):
    """Change a mount, and write to it; to change it is refused where mounts are locked."""
    try:
        mount("x", place, "", MS_REMOUNT | flags)
    except OSError as error:
        print("refused:", what, place, "-", error)
    else:
        print("done:", what, place, flags)
        if OTHERS["locked"]:
            escaped(f"{what} {place}")
    if not os.path.isdir(place):
        refuse(f"write to {place}", os.open, place, os.O_WRONLY)
        return
    for folder in ("", "/etc", "/usr/lib/vibecell", "/usr/local/lib", "/bin", "/tmp/.."):
        refuse(f"write to {place}{folder}", create, f"{place}{folder}/was-here")
        refuse(f"own {place}{folder}", os.chown, place + folder, 0, 0)
    for path in ("/etc/passwd", "/usr/lib/vibecell/zygote.py", "/bin/sh"):
        refuse(f"write to {place}{path}", os.open, place + path, os.O_WRONLY)
        refuse(f"own {place}{path}", os.chown, place + path, 0, 0)


def look():
    for place, kind, may in places():
        for flags in (0, 1, 2, 8):
            refuse(f"unmount {place} ({kind})", call, 166, place.encode(), flags)
        if kind in OWN or (may and kind not in ("ext4", "overlay")):
            continue
        keep = MS_NOSUID | MS_NODEV | MS_NOEXEC
        for flags in (0, keep, MS_NOSUID, MS_NODEV):
            change("remount", place, MS_BIND | flags)
            change("remount whole", place, flags)
        if not os.path.isdir(place):
            continue
        os.makedirs("/tmp/again", exist_ok=True)
        os.makedirs("/tmp/moved", exist_ok=True)
        for flags in (MS_BIND, MS_BIND | REC):
            try:
                mount(place, "/tmp/again", "", flags)
            except OSError as error:
                print("refused: bind", place, "-", error)
                continue
            change("remount a copy of", "/tmp/again", MS_BIND)
            mount("/tmp/again", "/tmp/moved", "", MS_MOVE)


look()
print("uncovered:", uncover())
look()
call(UNSHARE, NEW_USER | NEW_MOUNT)
look()
contained()
