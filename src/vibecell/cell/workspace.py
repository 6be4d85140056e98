"""Files in and out of the workspace.

Owns the writing of sources and the collection of what a program left; refuses
to follow anything. Every name is resolved by the kernel beneath one descriptor,
without links and without leaving the file system. The agent does this with
the program's own file-system identity and no capability over files.

Source: openat2(2), Linux 5.6
"""

import binascii
import os
import stat
from collections.abc import Callable, Iterator

import confine
import mounts

RESOLVE = 0x08 | 0x04 | 0x02 | 0x01  # BENEATH, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV
MAX_ENTRIES = 5_000
MAX_DEPTH = 16
_IGNORED = frozenset({"__pycache__", "node_modules"})
_PIECE_BYTES = 64 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Workspace:
    """The workspace of one cell, held by descriptor."""

    def __init__(self) -> None:
        self._root = -1
        # by name: the size and the checksum of what was sent
        self._known: dict[str, tuple[int, int]] = {}
        self._open: dict[int, tuple[int, str, int]] = {}

    def open(self) -> None:
        """Take hold of the directory, as it is mounted now."""
        self._root = os.open(mounts.WORKSPACE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def create(self, stream: int, path: str, size_bytes: int) -> None:
        """Create a source file; its content follows by ``append``."""
        *parents, _name = path.split("/")
        for depth, name in enumerate(parents):
            self._make_folder("/".join(parents[:depth]) or ".", name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = confine.openat2(self._root, path, flags, 0o644, RESOLVE)
        self._open[stream] = (fd, path, size_bytes)
        self._known[path] = (size_bytes, 0)
        self._finish_if_complete(stream)

    def _make_folder(self, parent: str, name: str) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        fd = confine.openat2(self._root, parent, flags, 0, RESOLVE)
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            return
        finally:
            os.close(fd)

    def append(self, stream: int, data: bytes) -> None:
        """Add a piece of the file created on this stream."""
        fd, path, missing = self._open[stream]
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        self._open[stream] = (fd, path, missing - len(data))
        size_bytes, checksum = self._known[path]
        self._known[path] = (size_bytes, binascii.crc32(data, checksum))
        self._finish_if_complete(stream)

    def _finish_if_complete(self, stream: int) -> None:
        fd, _path, missing = self._open[stream]
        if missing > 0:
            return
        os.close(fd)
        del self._open[stream]

    def collect(self, max_files: int, max_bytes: int, send: Callable[[str, int], int]) -> int:
        """Hand new or changed regular files to ``send(path, fd)``, which returns the bytes taken.

        Left out, and counted, is a new or changed regular file that comes after
        ``max_files`` others, is larger than what is left of ``max_bytes``, or has a second
        name (a hard link, so nobody knows whose it is).

        Never looked at, and so not counted: names that begin with a dot and the caches in
        ``_IGNORED``, with everything below them; links, devices, pipes and sockets; what the
        program itself could not read; what lies below more than ``MAX_DEPTH`` folders; and
        whatever comes after ``MAX_ENTRIES`` names.

        Returns:
            How many files were left out.
        """
        left = max_bytes
        taken = left_out = 0
        for path, fd, state in self._regular_files():
            if self._is_as_sent(path, fd, state.st_size):
                continue
            if taken >= max_files or state.st_size > left or state.st_nlink != 1:
                left_out += 1
                continue
            left -= send(path, fd)
            taken += 1
        return left_out

    def _is_as_sent(self, path: str, fd: int, size_bytes: int) -> bool:
        """Whether a file holds what was sent under its name.

        By contents, since times do not tell: a program can set them, and before Linux 6.13 two
        writes within a tick of the clock leave the same. A checksum is enough: none but the
        program itself could deceive it, and about nothing but its own file.
        Source: https://docs.kernel.org/filesystems/multigrain-ts.html
        """
        known = self._known.get(path)
        if known is None or known[0] != size_bytes:
            return False
        checksum = at = 0
        while piece := os.pread(fd, _PIECE_BYTES, at):
            checksum = binascii.crc32(piece, checksum)
            at += len(piece)
        return checksum == known[1]

    def _regular_files(self) -> Iterator[tuple[str, int, os.stat_result]]:
        pending = ["."]
        seen = 0
        while pending:
            folder = pending.pop()
            for name in self._names(folder):
                seen += 1
                if seen > MAX_ENTRIES:
                    return
                path = name if folder == "." else f"{folder}/{name}"
                try:
                    fd = confine.openat2(self._root, path, _READ, 0, RESOLVE)
                except OSError:
                    continue  # a link, a device, a socket or gone: not ours to have
                try:
                    state = os.fstat(fd)
                    if stat.S_ISDIR(state.st_mode) and path.count("/") < MAX_DEPTH:
                        pending.append(path)
                    elif stat.S_ISREG(state.st_mode):
                        yield path, fd, state
                finally:
                    os.close(fd)

    def _names(self, folder: str) -> list[str]:
        try:
            flags = _READ | os.O_DIRECTORY
            fd = confine.openat2(self._root, folder, flags, 0, RESOLVE)
        except OSError:
            return []
        try:
            names: list[str] = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    if len(names) > MAX_ENTRIES:
                        break
                    if not entry.name.startswith(".") and entry.name not in _IGNORED:
                        names.append(entry.name)
        finally:
            os.close(fd)
        return sorted(names)
