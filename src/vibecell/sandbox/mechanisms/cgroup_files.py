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


def read_key(path: Path, key: str) -> int:
    """A value of a flat-keyed file; 0 where this kernel does not write the key."""
    for line in path.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


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
    """Remove one cgroup; one that is gone already is no error.

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
        time.sleep(_REMOVE_PAUSE_S)
