"""Connect to the host, the Docker engine and a neighbour: abstract, by name, over loopback.

Expected containment: a network namespace with a loopback of its own; no socket of the host
has a name here; no other family of sockets.
"""

import socket

from attack import contained, escaped, refuse, refuse_syscall
from reach import NEW_NET, OTHERS, UNSHARE, call, twice

FAMILIES = ((17, 3, 0), (38, 5, 0), (40, 1, 0), (16, 3, 12), (16, 3, 9), (2, 3, 1), (2, 3, 255),
            (29, 3, 1), (30, 1, 0), (44, 3, 0))  # fmt: skip


def connect(family, address):
    with socket.socket(family) as link:
        link.settimeout(0.5)
        link.connect(address)


def look():
    for name in OTHERS["abstract"]:
        refuse(f"connect to @{name}", connect, socket.AF_UNIX, "\0" + name)
    for path in (*OTHERS["sockets"], "/var/run/docker.sock", "/run/docker.sock",
                 "/run/containerd/containerd.sock", "/run/vibecell/control"):  # fmt: skip
        refuse(f"connect to {path}", connect, socket.AF_UNIX, path)
    for port in OTHERS["ports"]:
        refuse(f"connect to {port}", connect, socket.AF_INET, ("127.0.0.1", port))
        refuse(f"connect to {port} by IPv6", connect, socket.AF_INET6, ("::1", port))
    for address in ("169.254.169.254", "172.17.0.1", "10.0.0.1", "1.1.1.1"):
        refuse(f"connect to {address}", connect, socket.AF_INET, (address, 80))
    for made in FAMILIES:
        refuse_syscall(f"make a socket {made}", 41, *made)
    with open("/proc/net/unix") as listed:
        content = listed.read()
    for name in OTHERS["abstract"]:
        if name in content:
            escaped(f"@{name} is in sight")


with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as other:
    own.bind("\0of-the-wall")  # the probe works
    own.listen()
    other.connect("\0of-the-wall")
twice(look)
call(UNSHARE, NEW_NET)
look()
contained()
