"""What a fork shares with its zygote, and what it must not.

Owns the cheap fork, the memory that forks copy from, and the randomness they
must not have in common; refuses to know what a fork is for.
"""

import ctypes
import random
import re
from collections.abc import Mapping
from typing import Any

import kernel

_MADV_COLLAPSE = 25
_HUGE_PAGE_BYTES = 2 << 20
_ANONYMOUS_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0\s*(?:\[heap\])?$")

_libc = ctypes.CDLL(None)
# PyDLL keeps the interpreter's lock meanwhile
_fork = ctypes.PyDLL(None, use_errno=True).fork


def fork_bare() -> int:
    """Fork without the hooks that ``os.fork`` runs; for one Python thread only.

    The interpreter's hooks repair what its other threads held at the fork, and
    seed ``random``; ``reseed`` is for that. Those of C libraries do run: a
    linear algebra library has threads of its own to begin anew.

    Returns:
        The child's pid, or 0 in the child.

    Source: fork(3p), pthread_atfork(3)
    """
    pid: int = _fork()
    if pid < 0:
        raise kernel.failure("fork")
    return pid


def reseed(loaded: Mapping[str, Any]) -> None:
    """Give this fork randomness, temporary names and UUIDs of its own.

    ``os.fork`` reseeds ``random``; numpy's legacy state, the sequence of
    temporary names and the clock of ``uuid1`` are shared unless renewed here.

    Args:
        loaded: the modules that it shares with its zygote, by name.
    """
    random.seed()
    if (numpy_random := loaded.get("numpy.random")) is not None:
        numpy_random.seed()
    if (tempfile := loaded.get("tempfile")) is not None:
        vars(tempfile)["_name_sequence"] = None
    if (uuid := loaded.get("uuid")) is not None:
        vars(uuid)["_last_timestamp"] = None


def madvise_collapse_heap() -> int:
    """Put large anonymous mappings into huge pages, so that forks copy less.

    An optimisation: where the kernel refuses, nothing is lost.

    Returns:
        How many mappings were collapsed.

    Source: madvise(2), MADV_COLLAPSE, Linux 6.1
    """
    collapsed = 0
    with open("/proc/self/maps") as maps:
        found = [m for line in maps if (m := _ANONYMOUS_MAPPING.match(line.strip()))]
    for match in found:
        start, end = int(match[1], 16), int(match[2], 16)
        if end - start >= _HUGE_PAGE_BYTES:
            address, length = ctypes.c_void_p(start), ctypes.c_size_t(end - start)
            collapsed += _libc.madvise(address, length, _MADV_COLLAPSE) == 0
    return collapsed
