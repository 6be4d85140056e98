"""How a process becomes a user without rights: the gateway, a courier, ``vibecell keys``.

Owns the change of user and what that user must still be able to read; refuses
to keep a capability for it. Gateway and courier are the only parts that talk to
strangers, and each needs its own code, a directory or two and nothing else.

A virtual environment often lies beneath a home directory that no other user may
enter. Rather than keeping a right to pass every door, the process gets a
mount namespace of its own in which such a directory is empty but for the
trees it needs.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from vibecell.model.errors import PlatformError

#: What our modules are found below.
CODE = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND = 2, 4, 8, 4096
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_OTHERS_MAY_ENTER = 0o001

_libc = ctypes.CDLL(None, use_errno=True)


def become(uid: int, *needed: Path) -> None:
    """As root, become ``uid``; for anybody, never gain a right again.

    Args:
        uid: also the group; all other groups are given up.
        needed: trees to read and enter afterwards, beside our own code and its interpreter.

    A signal at the parent's death (``die_with_parent``) has to be asked for again.

    Raises:
        PlatformError: a step failed, or a tree would not be readable.

    Source: prctl(2), PR_SET_NO_NEW_PRIVS; capabilities(7), "Effect of user ID
    changes on capabilities": leaving uid 0 clears them all.
    """
    own = (Path(sys.prefix), Path(sys.base_prefix), CODE)
    trees = sorted({path.resolve() for path in (*own, *needed)})
    if os.geteuid() == 0:
        _open_doors(trees)
        _change_user(uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    closed = [str(path) for path in trees if not os.access(path, os.X_OK)]
    if closed:
        raise PlatformError(f"become user {uid}", f"that user may not enter {', '.join(closed)}")


def _change_user(uid: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as error:  # a user namespace may not have this one
        raise PlatformError(
            f"become user {uid}", f"{error.strerror}; see the settings gateway_uid and courier_uid"
        ) from error


def die_with_parent() -> None:
    """Have SIGTERM sent when the parent dies, so that no child is left alone.

    Source: prctl(2), PR_SET_PDEATHSIG
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _open_doors(trees: list[Path]) -> None:
    """Replace closed directories above the trees, in a mount namespace of our own.

    Source: mount_namespaces(7); mount(2), MS_BIND. A bind mount of an open
    descriptor works after its path has been covered.
    """
    doors = {door for tree in trees if (door := _closed_door(tree)) is not None}
    if not doors:
        return
    behind = [tree for tree in trees if any(tree.is_relative_to(d) for d in doors)]
    _check(_libc.unshare(_CLONE_NEWNS), "make a mount namespace")
    _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE)
    # opened in the new namespace: only its own mounts can be bound there
    opened = {tree: os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for tree in behind}
    for door in doors:
        _mount("tmpfs", door, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "mode=755,size=1m")
    mask = os.umask(0o022)  # the doors that are put there must be open
    for tree, fd in opened.items():
        if not tree.exists():  # else it lies within another one
            tree.mkdir(parents=True)
            _mount(f"/proc/self/fd/{fd}", tree, None, _MS_BIND | _MS_REC)
        os.close(fd)
    os.umask(mask)


def _closed_door(tree: Path) -> Path | None:
    """The topmost directory above a tree that others may not enter."""
    for directory in reversed(tree.parents):
        if not directory.stat().st_mode & _OTHERS_MAY_ENTER:
            return directory
    return None


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str = "") -> None:
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(result, f"mount on {target}")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "set a process attribute")


def _check(result: int, step: str) -> None:
    if result != 0:
        raise PlatformError(step, os.strerror(ctypes.get_errno()))
