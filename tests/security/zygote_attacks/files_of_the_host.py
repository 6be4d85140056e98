"""Read and change files of the host: by name, through roots and descriptors, on every mount.

Expected containment: no mount of the host's is in sight, whatever is uncovered; what the
image is made of is another's and read-only; what can be written is memory of the wall's.
"""

import glob
import os
import stat

from attack import contained, escaped, refuse
from reach import OTHERS, no_secret, places, twice

SENSITIVE = ("/etc/shadow", "/etc/gshadow", "/root/.ssh", "/root/.bash_history", "/var/lib/docker",
             "/var/run/docker.sock", "/boot", "/home", "/lib/modules", "/run/systemd",
             "/run/vibecell/control", "/var/log/syslog")  # fmt: skip
# file systems of memory that are made for the wall, and end with it
OWN = {"tmpfs", "mqueue"}


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def look():
    roots = [""]
    for link in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd"):
        if os.path.exists(link):
            roots.append(link)
    for link in os.listdir("/proc/self/fd"):
        roots.append(f"/proc/self/fd/{link}/../../../../..")
    for root in roots:
        for path in (*OTHERS["files"], *SENSITIVE):
            refuse(f"read {root}{path}", os.stat, root + path)
    for place, kind, _ in places():
        if not os.path.exists(place):
            continue  # below another
        is_folder = stat.S_ISDIR(os.stat(place).st_mode)
        if kind in OWN and os.access(place, os.W_OK) and is_folder:
            continue
        if is_folder:
            refuse(f"create in {place} ({kind})", create, f"{place}/was-here")
        elif not stat.S_ISCHR(os.stat(place).st_mode):
            refuse(f"write to {place} ({kind})", os.open, place, os.O_WRONLY)
    for path in ("/usr/lib/vibecell/zygote.py", "/etc/passwd", "/bin/sh"):
        refuse(f"write to {path}", os.open, path, os.O_WRONLY)
        refuse(f"own {path}", os.chown, path, 0, 0)
        refuse(f"change {path}", os.chmod, path, 0o777)
    for path in ("/etc/passwd", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"):
        if os.path.exists(path):
            with open(path) as file:
                no_secret(path, file.read())


create(f"/tmp/{os.getpid()}-was-here")  # the probe works
twice(look)
if "/tmp" not in {place for place, _, _ in places()}:
    escaped("it is not where it thinks to be")
contained()
