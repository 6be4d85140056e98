"""The cell's own file systems, put over the zygote's read-only root.

Owns every mount inside the inner wall; refuses to mount anything that comes
from outside. Called by the agent while it still has the outer wall's
capabilities and before any user code runs.
"""

import fcntl
import os
import struct
from collections.abc import Mapping

import confine
from kernel import Text, call

WORKSPACE = "/workspace"
DISPLAY_FIFO = "/run/display"
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
_SAFE = MS_NOSUID | MS_NODEV
_TIOCSPTLCK, _TIOCGPTN = 0x40045431, 0x80045430
_INODES_PER_MIB = 64
# 256 files, each below 16 folders of its own, and as many for the program
_LEAST_INODES = 256 * 17 + 256
_RUN = "size=64k,nr_inodes=16,mode=755"
_SHM = "size=16m,nr_inodes=1k,mode=1777"
MAX_TERMINALS = 16
_TERMINALS = f"newinstance,ptmxmode=0666,mode=620,max={MAX_TERMINALS}"


def make_private_filesystems(
    workspace: Text, tmpfs_bytes: int, run_files: Mapping[str, bytes]
) -> None:
    """Mount workspace, /tmp, /dev/shm, /run, /proc and /dev/pts for this cell alone.

    ``subset=pid`` leaves nothing of /proc but the processes: no /proc/sys,
    kcore, keys or sysrq, so there is nothing to mask. Terminals are those that
    are made in this cell: each has its number, its master and its place here, and no
    other instance is in sight. Who makes one owns it.

    Args:
        workspace: mount options of the workspace.
        tmpfs_bytes: size of /tmp.
        run_files: what programs read in /run, by path.

    Raises:
        OSError: names the mount that failed.

    Source: mount_namespaces(7); Documentation/filesystems/proc.rst (subset, Linux 5.8),
    devpts.rst (each mount an instance of its own, Linux 4.7); ptmx(4)
    """
    confine.mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    size = _tmpfs_size(tmpfs_bytes)
    confine.mount("tmpfs", WORKSPACE, "tmpfs", _SAFE, workspace)
    confine.mount("tmpfs", "/tmp", "tmpfs", _SAFE | MS_NOEXEC, f"{size},mode=1777")
    confine.mount("tmpfs", "/dev/shm", "tmpfs", _SAFE | MS_NOEXEC, _SHM)
    confine.mount("tmpfs", "/run", "tmpfs", _SAFE | MS_NOEXEC, _RUN)
    confine.make_fifo(DISPLAY_FIFO, 0o622)
    _fill_run(run_files)
    confine.mount("proc", "/proc", "proc", _SAFE | MS_NOEXEC, "subset=pid")
    confine.mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, _TERMINALS)


def rewrite_run(run_files: Mapping[str, bytes]) -> None:
    """Write files of /run anew, before a program starts.

    Raises:
        OSError: names the step that failed.
    """
    confine.mount("tmpfs", "/run", None, MS_REMOUNT | _SAFE | MS_NOEXEC, None)
    _fill_run(run_files)


def _fill_run(files: Mapping[str, bytes]) -> None:
    """Write the last that is written there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    for path, content in files.items():
        step = f"write {path}"
        fd = call(step, "openat", confine.AT_FDCWD, path.encode(), flags, 0o644)
        call(step, "write", fd, content, len(content))
        call(step, "close", fd)
    confine.mount("tmpfs", "/run", None, MS_REMOUNT | MS_RDONLY | _SAFE | MS_NOEXEC, None)


def workspace_options(size_bytes: int, uid: int) -> str:
    """Mount options of a workspace that belongs to ``uid``."""
    return f"{_tmpfs_size(size_bytes)},mode=755,uid={uid},gid={uid}"


def open_display() -> int:
    """The FIFO that programs show things through, read end.

    Opened for writing too, so that it never reports an end.
    """
    return os.open(DISPLAY_FIFO, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _tmpfs_size(size_bytes: int) -> str:
    inodes = max(_LEAST_INODES, _INODES_PER_MIB * (size_bytes >> 20))
    return f"size={size_bytes},nr_inodes={inodes}"


def resize_workspace(size_bytes: int) -> None:
    """Give workspace and /tmp another bound, before a program starts."""
    size = _tmpfs_size(size_bytes)
    confine.mount("tmpfs", WORKSPACE, None, MS_REMOUNT | _SAFE, size)
    confine.mount("tmpfs", "/tmp", None, MS_REMOUNT | _SAFE | MS_NOEXEC, size)


def open_terminal() -> tuple[int, int]:
    """Make a terminal of whom the caller acts as on files; return its master and slave."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, b"\0" * 4))[0]
    slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, slave


def is_full() -> bool:
    """Whether workspace or /tmp has no page or no inode left."""
    for path in (WORKSPACE, "/tmp"):
        state = os.statvfs(path)
        if state.f_bfree == 0 or state.f_ffree == 0:
            return True
    return False


def used_bytes() -> int:
    """Bytes held by files in the cell's own file systems."""
    total = 0
    for path in (WORKSPACE, "/tmp", "/dev/shm"):
        state = os.statvfs(path)
        total += (state.f_blocks - state.f_bfree) * state.f_frsize
    return total
