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
from collections import deque
from collections.abc import Callable, Iterator

import confine
import messages
import mounts

RESOLVE = 0x08 | 0x04 | 0x02 | 0x01  # BENEATH, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV
MAX_ENTRIES = 5_000
_IGNORED = frozenset({"__pycache__", ".cache", ".git"})
_PIECE_BYTES = 64 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_Entry = tuple[str, int, int | None, str]
"""Path, descriptor, size in bytes, and why it cannot be sent: empty, if it can."""


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

    def collect(
        self,
        asked: messages.Collect,
        send: Callable[[str, int], int],
        name: Callable[[str, int | None, str], None],
    ) -> int:
        """Hand new or changed regular files to ``send(path, fd)``, which returns the bytes taken.

        What else is new or changed is told to ``name(path, size_bytes, reason)``, as far as it
        is asked for. The shallow come before the deep, so that these are the ones for which
        there is room. Passed over, and not told, are the caches in ``_IGNORED``, with
        everything below them.

        Returns:
            How many were not handed over.
        """
        left = asked.max_bytes
        sent = omitted = 0
        for path, fd, size_bytes, wrong in self._entries(asked):
            if not wrong and sent >= asked.max_files:
                wrong = "too_many"
            elif not wrong and size_bytes is not None and size_bytes > left:
                wrong = "too_large" if size_bytes > asked.max_bytes else "no_room"
            if not wrong:
                left -= send(path, fd)
                sent += 1
                continue
            omitted += 1
            if omitted <= asked.max_named:
                name(path[: asked.max_path_bytes], size_bytes, wrong)
        return omitted

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

    def _entries(self, asked: messages.Collect) -> Iterator[_Entry]:
        """What is new or changed: files, and whatever of the rest there is something to say of."""
        pending = deque(["."])
        seen = 0
        while pending:
            folder = pending.popleft()
            names = self._names(folder)
            if names is None:
                yield folder, -1, None, "unreadable"
                continue
            for name in names:
                seen += 1
                if seen > MAX_ENTRIES:
                    yield folder, -1, None, "too_many"
                    return
                path = name if folder == "." else f"{folder}/{name}"
                try:
                    fd = confine.openat2(self._root, path, _READ, 0, RESOLVE)
                except OSError:
                    yield self._unopened(path)
                    continue
                try:
                    entry = self._judged(path, fd, asked, pending)
                    if entry is not None:
                        yield entry
                finally:
                    os.close(fd)

    def _judged(
        self, path: str, fd: int, asked: messages.Collect, pending: deque[str]
    ) -> _Entry | None:
        """What there is to say of what was opened; folders that are to be looked at wait."""
        state = os.fstat(fd)
        is_file = stat.S_ISREG(state.st_mode)
        size_bytes = state.st_size if is_file else None
        if is_file and self._is_as_sent(path, fd, state.st_size):
            return None
        if not is_file and not stat.S_ISDIR(state.st_mode):
            wrong = "not_regular"
        elif not _is_utf8(path, asked.max_path_bytes):
            wrong = "unnameable"
        elif not is_file and path.count("/") >= asked.max_folders:
            wrong = "too_deep"
        elif not is_file:
            pending.append(path)
            return None
        else:
            wrong = "hard_link" if state.st_nlink != 1 else ""
        return path, fd, size_bytes, wrong

    def _unopened(self, path: str) -> _Entry:
        """What there is to say of a link, a socket, or what the program itself may not read."""
        try:
            fd = confine.openat2(self._root, path, _LOOK, 0, RESOLVE)
        except OSError:
            return path, -1, None, "unreadable"
        try:
            state = os.fstat(fd)
        finally:
            os.close(fd)
        if stat.S_ISREG(state.st_mode):
            return path, -1, state.st_size, "unreadable"
        return path, -1, None, "unreadable" if stat.S_ISDIR(state.st_mode) else "not_regular"

    def _names(self, folder: str) -> list[str] | None:
        try:
            flags = _READ | os.O_DIRECTORY
            fd = confine.openat2(self._root, folder, flags, 0, RESOLVE)
        except OSError:
            return None
        try:
            names: list[str] = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    if len(names) > MAX_ENTRIES:
                        break
                    if entry.name not in _IGNORED:
                        names.append(entry.name)
        finally:
            os.close(fd)
        return sorted(names)


def _is_utf8(path: str, max_bytes: int) -> bool:
    """Whether a path can be told to a client, and sent again by it."""
    try:
        return len(path.encode()) <= max_bytes
    except UnicodeEncodeError:
        return False
