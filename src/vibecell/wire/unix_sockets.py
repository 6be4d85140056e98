"""The Unix sockets that our own processes speak over.

Owns how one is made that a single user may connect to, and who is at the other end, as the
kernel says; refuses to judge who that may be.

Source: unix(7), "struct ucred", SO_PEERCRED, SO_PASSCRED
"""

import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple, Protocol

from vibecell.model.errors import PlatformError

BACKLOG = 512
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


def private_listener(path: Path, uid: int, whose: str) -> socket.socket:
    """A socket that listens under its name, and that one user and root may connect to.

    It is bound and listens under another name before it gets its own: no client meets half a
    socket. What stood under that name is gone.

    Args:
        path: its name.
        uid: of who may connect, where root makes it; else only its maker may.
        whose: it is, for the error.

    Raises:
        PlatformError: it cannot be made; nothing of it is left.
    """
    making = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        making.unlink(missing_ok=True)
        listener.bind(str(making))
        making.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(making, uid, 0)
        listener.listen(BACKLOG)
        making.rename(path)
    except OSError as error:
        listener.close()
        with contextlib.suppress(OSError):  # what kept it from being made is told, not this
            making.unlink(missing_ok=True)
        raise PlatformError(f"make the {whose}'s socket", str(error)) from error
    return listener
