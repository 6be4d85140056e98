# Opens sockets of every family and protocol.
# Expected containment: only AF_UNIX, plain AF_INET and AF_INET6, and netlink routing can be had.
import socket
from attack import contained, escaped

allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
for family in range(0, 48):
    for kind in (1, 2, 3, 4, 5, 6, 10):
        for protocol in (0, 1, 2, 3, 5, 6, 9, 10, 12, 15, 16, 17, 132, 136, 255, 262):
            try:
                s = socket.socket(family, kind, protocol)
            except (OSError, ValueError):
                continue
            s.close()
            if family == 16 and protocol == 0:
                continue
            if (
                family not in allowed
                or kind not in (1, 2, 5, 3 if family == socket.AF_UNIX else 1)
                or protocol not in (0, 1, 6, 17, 2)
            ):
                escaped(f"socket({family}, {kind}, {protocol})")
contained()
