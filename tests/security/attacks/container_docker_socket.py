"""Speak to the Docker engine: whoever can is root on its host.

Expected containment: no socket of the host is in the cell's file system, and abstract ones,
those of container runtimes among them, belong to another network namespace.
"""

import glob
import os
import socket

from attack import contained, escaped, refuse

PATHS = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
PATHS += ["/run/vibecell/control", "/run/vibecell/engine.sock", "/run/podman/podman.sock"]
PATHS += ["/var/run/crio/crio.sock", "/run/buildkit/buildkitd.sock", "/run/systemd/private"]
ABSTRACT = ["\0/containerd-shim/moby/shim.sock", "\0/run/containerd/s", "\0/tmp/dbus"]


def connect(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as link:
        link.connect(path)
        return path


for path in PATHS + ABSTRACT:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        refuse(f"connect to {path!r}", connect, path, kind)
for port in (2375, 2376, 2377, 5000, 10250):
    for host in ("127.0.0.1", "172.17.0.1", "169.254.169.254"):
        refuse(f"connect to {host}:{port}", socket.create_connection, (host, port), 0.2)
for directory, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(directory, f) != "/proc"]
    for name in files:
        path = os.path.join(directory, name)
        try:
            if os.stat(path).st_mode & 0o170000 == 0o140000:
                escaped(f"a socket is in sight: {path}")
        except OSError:
            continue
# what the kernel lists must be ours alone, and the list must work
with socket.socket(socket.AF_UNIX) as own:
    own.bind("\0ours")
    listed = set()
    for table in ["/proc/net/unix", *glob.glob("/proc/*/net/unix")]:
        try:
            lines = open(table).read().splitlines()[1:]
        except OSError:
            continue
        listed |= {line.split()[7] if len(line.split()) > 7 else "" for line in lines}
    if "@ours" not in listed:
        escaped("the probe does not work")
    if listed - {"@ours"}:
        escaped(f"sockets of others are listed: {listed}")
contained()
