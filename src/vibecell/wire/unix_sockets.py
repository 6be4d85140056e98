"""The Unix sockets that our own processes speak over.

Owns who is at the other end, as the kernel says; refuses to judge who that may be.

Source: unix(7), "struct ucred", SO_PEERCRED, SO_PASSCRED
"""

import socket
import struct
from typing import NamedTuple, Protocol

UCRED = struct.Struct("3i")


class Credentials(NamedTuple):
    """Of a process at one moment; ``pid`` is 0 where it has no number here."""

    pid: int
    uid: int
    gid: int


class Connected(Protocol):
    """What of a socket is needed."""

    def getsockopt(self, level: int, option: int, buffer_size: int, /) -> bytes:
        """See ``socket.socket``."""
        ...


def peer(connection: Connected) -> Credentials:
    """Who connected, or made the pair."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    return Credentials(*UCRED.unpack(packed))
