# Listens on every address of a port and connects to it from another cell.
# Expected containment: each cell has a loopback of its own.
# attack: {"mode": "pair"}
import socket
import sys
import time

from attack import contained, escaped

if sys.argv[1] == "victim":
    s = socket.create_server(("", 5999))
    s.settimeout(2)
    try:
        s.accept()
    except TimeoutError:
        contained()
    else:
        escaped("a neighbour connected")
else:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for host in ("127.0.0.1", "0.0.0.0"):
            try:
                socket.create_connection((host, 5999), 0.2)
            except OSError:
                time.sleep(0.02)
            else:
                escaped("connected to a neighbour")
    contained()
