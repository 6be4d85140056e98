"""The sockets that children of the service listen on.

Owns binding them and where they are in the file system; refuses to serve on them.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from vibecell.config import Settings
from vibecell.model.errors import PlatformError
from vibecell.model.listening_places import host_and_port, is_socket_path

_BACKLOG = 512


def listen(host: str, port: int, hint: str = "") -> socket.socket:
    """A socket that listens at an address.

    Args:
        hint: what to do where it cannot be had, for a person.

    Raises:
        PlatformError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PlatformError(f"listen on {host}:{port}", f"{error.strerror}{hint}") from error
    return listener


@contextlib.contextmanager
def metrics_listener(settings: Settings) -> Iterator[socket.socket | None]:
    """Where metrics are read, if that is somewhere of its own; a path is removed at the end.

    Raises:
        PlatformError: it cannot be had.
    """
    where = settings.metrics_listen
    if where is None:
        yield None
    elif is_socket_path(where):
        # who may read them is who may write to the socket: the user and the group of the service
        with _at_path(Path(where)) as listener:
            try:
                yield listener
            finally:
                Path(where).unlink(missing_ok=True)
    else:
        with listen(*host_and_port(where)) as listener:
            yield listener


def _at_path(path: Path) -> socket.socket:
    """A socket in the file system, for the service's user and group, in place of one that was left.

    Raises:
        PlatformError: it cannot be made, or something else is there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(0, f"{path} is there, and is no socket")
        path.unlink(missing_ok=True)
        mask = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PlatformError("make the socket of metrics", error.strerror or str(error)) from error
    return listener
