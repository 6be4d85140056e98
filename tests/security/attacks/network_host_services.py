# Looks for services of the host on loopback and by Unix sockets.
# Expected containment: loopback is the cell's own and empty; no host socket is in the image.
import os
import socket
from attack import contained, escaped

for port in (22, 80, 443, 2375, 3306, 5432, 6379, 8000, 8080, 9090, 11211, 27017):
    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), 0.3)
        except OSError:
            continue
        escaped(f"connected to {host}:{port}")
import stat

for directory, _, files in os.walk("/"):
    if directory.startswith("/proc"):
        continue
    for name in files:
        path = os.path.join(directory, name)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                escaped("socket " + path)
        except OSError:
            pass
for name in (
    "/tmp/.X11-unix/X0",
    "@/tmp/.X11-unix/X0",
    "\0/org/freedesktop/systemd1/notify",
    "\0vibecell",
):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(name)
    except OSError:
        continue
    escaped("connected to " + repr(name))
contained()
