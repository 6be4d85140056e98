# Tries to read the credentials and keys of the host.
# Expected containment: the cell's root is an image of its own in which none of them exists.
import os

from attack import contained, escaped, refuse

for path in (
    "/etc/shadow",
    "/etc/gshadow",
    "/root/.ssh/id_rsa",
    "/root",
    "/home",
    "/etc/machine-id",
    "/var/lib",
    "/var/run/docker.sock",
    "/etc/ssh",
    "/boot",
    "/srv",
    "/run/vibecell",
    "/var/log",
):
    # a folder cannot be opened in any case, and of a file that is there no right may be had
    refuse(path, os.lstat, path)
refuse("/etc/resolv.conf", open, "/etc/resolv.conf")
if "root:x:0:0" not in open("/etc/passwd").read():
    print("no root line")
if len(open("/etc/passwd").read().splitlines()) > 5:
    escaped("the host's /etc/passwd")
contained()
