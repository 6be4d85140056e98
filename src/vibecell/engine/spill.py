"""Bytes put aside in a file that has no name.

Owns the descriptor; refuses to know what the bytes are. Where the disk is full or
broken it says so, and nothing that was put aside before is lost by it.
"""

import errno
import os
import tempfile
from pathlib import Path

from vibecell.model.errors import PlatformError

_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT)


class SpillFile:
    """A file that nobody else can open, only ever longer.

    Args:
        directory: on whose file system it lies, from the first byte on.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor = -1
        self.size_bytes = 0

    def append(self, data: bytes) -> None:
        """Put bytes aside, all of them or none.

        Raises:
            PlatformError: they cannot be kept there.
        """
        try:
            if self._descriptor < 0:
                self._descriptor = _nameless(self._directory)
            view, at = memoryview(data), self.size_bytes
            while view:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written
        except OSError as error:
            raise PlatformError("put output aside", str(error)) from error
        self.size_bytes = at

    def read(self, at: int, size_bytes: int) -> bytes:
        """Bytes that were put aside.

        Raises:
            PlatformError: they cannot be had back.
        """
        pieces = []
        try:
            while size_bytes:
                piece = os.pread(self._descriptor, size_bytes, at)
                if not piece:
                    raise PlatformError("read output back", "it is not there")
                pieces.append(piece)
                at, size_bytes = at + len(piece), size_bytes - len(piece)
        except OSError as error:
            raise PlatformError("read output back", str(error)) from error
        return b"".join(pieces)

    def close(self) -> None:
        """Give the file up, and with it the room it took; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _nameless(directory: Path) -> int:
    """A descriptor of a file without a name, for its owner alone.

    Source: open(2), O_TMPFILE; file systems that lack it make a file that loses
    its name at once.
    """
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        descriptor, name = tempfile.mkstemp(prefix=".spill-", dir=directory)
        os.unlink(name)
        return descriptor
