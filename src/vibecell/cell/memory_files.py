"""Where programs look for their memory limit, and find their cell's.

Owns one file with the number, and the names that lead to it: those by which a container shows
its cgroup. Runtimes that size their heaps read them (Node.js, Java), and so do people's programs.
Refuses to enforce anything: the engine does, and a cell has no cgroup of its own in sight.

A zygote makes the names once, for all its cells; the number is each cell's own, in its
``/run``: written with the cell, for the limit that most programs have, and again before a program
starts that has another.

Source: Documentation/admin-guide/cgroup-v2.rst (memory.max);
Documentation/admin-guide/cgroup-v1/memory.rst; libuv, src/unix/linux.c,
uv_get_constrained_memory()
"""

import os

import confine
import mounts

LIMIT_FILE = "/run/memory.max"
_NAMES = (
    "/sys/fs/cgroup/memory.max",  # v2
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.soft_limit_in_bytes",
)
_FLAGS = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC


def limit_file(memory_bytes: int) -> dict[str, bytes]:
    """The file and its content."""
    return {LIMIT_FILE: b"%d\n" % memory_bytes}


def lead_to_limit() -> None:
    """Make the names, in a ``/sys`` that has nothing else.

    Raises:
        OSError: names the step that failed.
    """
    confine.mount("tmpfs", "/sys", "tmpfs", _FLAGS, "size=16k,nr_inodes=16,mode=755")
    for name in _NAMES:
        os.makedirs(os.path.dirname(name), exist_ok=True)
        os.symlink(LIMIT_FILE, name)
    read_only = mounts.MS_REMOUNT | mounts.MS_RDONLY | _FLAGS
    confine.mount("tmpfs", "/sys", None, read_only, None)


def tell_limit(memory_bytes: int, uid: int) -> None:
    """Tell another limit than the cell was made with, before its program starts.

    Args:
        memory_bytes: the limit.
        uid: whom the caller acts as on files. The number is nobody's who runs programs.

    Raises:
        OSError: names the step that failed.
    """
    confine.set_fs_ids(0, 0)
    mounts.rewrite_run(limit_file(memory_bytes))
    confine.set_fs_ids(uid, uid)
