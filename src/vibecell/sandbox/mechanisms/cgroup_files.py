"""Reading and writing the files of a cgroup file system.

Owns the habits such files need: a value in one write, flat-keyed values, a
removal that waits for the kernel, a lock that says who lives. Refuses to know
which file means what.

Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst, "Interface Files"
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_REMOVE_ATTEMPTS, _REMOVE_PAUSE_S = 50, 0.002
_LOWER_ATTEMPTS = 3
_PAGE_BYTES = 4096
_READ_BYTES = 4096
_GONE = frozenset({errno.ENOENT, errno.ENODEV})


def lock_all(directories: Iterable[Path]) -> list[int] | None:
    """Lock those that exist; ``None``, and none locked, if somebody holds one.

    For every hierarchy's parent, since two engines may share some hierarchies
    and not others: each controller places a process on its own.
    """
    locks: list[int] = []
    for directory in directories:
        if not directory.is_dir():
            continue
        lock = _try_lock(directory)
        if lock is None:
            for held in locks:
                os.close(held)
            return None
        locks.append(lock)
    return locks


def _try_lock(directory: Path) -> int | None:
    """Lock a directory while the descriptor is open; ``None`` if somebody has."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


@contextlib.contextmanager
def ignoring_gone() -> Iterator[None]:
    """Pass over what fails because the cgroup has been removed."""
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise


def read_int(path: Path) -> int:
    """The one number in a file."""
    return int(path.read_text())


def flat_value(content: bytes, key: bytes) -> int:
    """A value in the text of a flat-keyed file; 0 where this kernel does not write the key."""
    for line in content.splitlines():
        name, _, value = line.partition(b" ")
        if name == key:
            return int(value)
    return 0


def read_members(path: str) -> set[int]:
    """The processes that a ``cgroup.procs`` names.

    Opened every time: only the first read after that is sure to be fresh.

    Source: kernel/cgroup/cgroup-v1.c, cgroup_pidlist_start()
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = piece = os.read(fd, _READ_BYTES)
        while piece:
            piece = os.read(fd, _READ_BYTES)
            content += piece
    finally:
        os.close(fd)
    return {int(pid) for pid in content.split()} if content else set()


class KeptFiles:
    """Descriptors that stay open, for files used again and again.

    Every read asks the kernel anew, but not of ``cgroup.procs`` of version 1,
    which answers a second read from a list that it keeps for a second; see
    ``read_members``.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], int] = {}

    def descriptor(self, path: str, flags: int = os.O_RDONLY) -> int:
        """The descriptor of a file, opened at the first time it is asked for.

        Raises:
            OSError: it cannot be opened so.
        """
        fd = self._open.get((path, flags))
        if fd is None:
            fd = self._open[path, flags] = os.open(path, flags | os.O_CLOEXEC)
        return fd

    def read(self, path: str, flags: int = os.O_RDONLY) -> bytes:
        """The first bytes of a file; as much as any but ``cgroup.procs`` ever holds."""
        return os.pread(self.descriptor(path, flags), _READ_BYTES, 0)

    def read_int(self, path: str, flags: int = os.O_RDONLY) -> int:
        """The one number in a file."""
        return int(self.read(path, flags))

    def write(self, path: str, value: bytes, flags: int = os.O_WRONLY) -> None:
        """Set a value; an absent file is an error."""
        os.pwrite(self.descriptor(path, flags), value, 0)

    def close(self) -> None:
        """Let all of them go; whatever is asked for later is opened again."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


def write(path: Path, value: int | str) -> None:
    """Set a value; an absent file is an error."""
    # one write and no O_CREAT: the kernel takes a value whole, and an absent
    # file must not come into being
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def write_if_there(path: Path, value: int) -> None:
    """Set a value that not every kernel knows."""
    with contextlib.suppress(FileNotFoundError):
        write(path, value)


def lower_limit(limit: Path, usage: Path, limit_bytes: int) -> None:
    """Lower a limit of version 1, at least as far as what is used allows.

    Version 1 answers EBUSY when it cannot free enough, where version 2 takes
    the limit and kills. The lowest limit it takes is as good: the next page
    meets it.
    """
    wanted = limit_bytes
    for _attempt in range(_LOWER_ATTEMPTS):
        try:
            write(limit, wanted)
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        wanted = max(limit_bytes, read_int(usage) + _PAGE_BYTES)
    write(limit, wanted)


def remove_directory(directory: Path) -> None:
    """Remove one cgroup, and what was made below it; one that is gone already is no error.

    Raises:
        OSError: EBUSY when it is still in use after a short wait.
    """
    for attempt in range(1, _REMOVE_ATTEMPTS + 1):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == _REMOVE_ATTEMPTS:
                raise
            _remove_below(directory)
        time.sleep(_REMOVE_PAUSE_S)


def _remove_below(directory: Path) -> None:
    """Remove what can be of a tree that somebody behind a wall may have made, however deep."""
    pending = [directory]
    with contextlib.suppress(OSError):
        while pending:
            below = [child for child in pending[-1].iterdir() if child.is_dir()]
            if below:
                pending += below
            elif len(pending) > 1:
                pending.pop().rmdir()
            else:
                return
