# Tries to read environment, memory and files of every other process, pid 1 first.
# Expected containment: the agent is non-dumpable and of another identity; nobody else is there.
# attack: {"for_one_uid_only": "numbers of descriptors"}
import os
from attack import contained, processes, refuse


def read(path):
    """What the file says; nothing at all is no escape."""
    with open(path, "rb", 0) as file:
        data = file.read(64)
    if not data:
        raise ValueError("empty")
    return data


def numbers_at_most(path):
    """They may be listed where agent and program have one uid outside, and lead nowhere."""
    try:
        entries = os.listdir(path)
    except OSError as error:
        print("refused:", path, "-", error)
        return
    for entry in entries:
        refuse(f"{path}/{entry}", os.readlink, f"{path}/{entry}")
        refuse(f"open {path}/{entry}", lambda name: open(name, "rb", 0), f"{path}/{entry}")
    print("numbers of descriptors of", path, entries)


print("visible:", processes())
for pid in processes():
    if pid == os.getpid():
        continue
    for name in (
        "environ",
        "mem",
        "maps",
        "cwd",
        "root",
        "exe",
        "fd",
        "stack",
        "syscall",
        "auxv",
        "fdinfo",
        "map_files",
        "ns/mnt",
        "ns/user",
        "pagemap",
        "io",
        "personality",
    ):
        path = f"/proc/{pid}/{name}"
        if name in ("cwd", "root", "exe", "ns/mnt", "ns/user"):
            refuse(path, os.readlink, path)
        elif name == "fd":
            numbers_at_most(path)
        elif name in ("map_files", "fdinfo"):
            refuse(path, os.listdir, path)
        else:
            refuse(path, read, path)
    refuse("write memory", lambda: open(f"/proc/{pid}/mem", "r+b"))
    refuse("oom score", lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"))
    refuse("sched", lambda: open(f"/proc/{pid}/autogroup", "w").write("5"))
contained()
