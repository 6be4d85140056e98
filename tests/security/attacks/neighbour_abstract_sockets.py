# Listens on and connects to abstract Unix sockets of another cell.
# Expected containment: they belong to the network namespace, one per cell.
# attack: {"mode": "pair"}
import socket
import sys
import time

from attack import contained, escaped

if sys.argv[1] == "victim":
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0vibecell-neighbour")
    s.listen()
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
        try:
            socket.socket(socket.AF_UNIX).connect("\0vibecell-neighbour")
        except OSError:
            time.sleep(0.05)
        else:
            escaped("connected to a neighbour")
    contained()
