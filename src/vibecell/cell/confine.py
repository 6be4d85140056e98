"""The inner wall, stone by stone: one thin wrapper per kernel mechanism.

Owns the calls that confine a process: namespaces, mounts, identity,
capabilities, rlimits, Landlock, seccomp, descriptors. Applies what it is
given and refuses to decide: rulesets, programs and limits are computed by the
engine. Runs behind the walls, so it imports the standard library only.

Every function raises ``OSError`` whose ``filename`` is the step that failed,
so that a failure can be reported as a sentence. The order of the steps is the
caller's; each function says what it needs before it. All but those that say
otherwise can be recorded (``kernel.recording``) and made again in every cell.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
import stat
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import kernel
from kernel import Argument, Given, Text, call, call_now

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEWCGROUP = 0x2000000
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 4, 22, 23, 24
_PR_GET_SECUREBITS, _PR_SET_SECUREBITS, _PR_SET_NO_NEW_PRIVS = 27, 28, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECUREBITS = 0x03 | 0x0C | 0xC0  # NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, all locked
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITY_DATA = struct.Struct("6I")  # twice effective, permitted, inheritable
_MOST_CAPABILITIES = 64
_SECCOMP_MODE_FILTER = 2
_SOCK_FILTER_BYTES = 8
_LANDLOCK_RULE_PATH_BENEATH = 1
_RULE_FD = 63  # a rule names its directory by number, inside a structure
_SIOCSIFFLAGS, _IFF_UP, _IFF_LOOPBACK = 0x8914, 0x1, 0x8
AT_FDCWD = -100
_NO_LIMIT = 0xFFFFFFFFFFFFFFFF
_OPENAT2_ATTEMPTS = 8
_REAP_DEADLINE_S = 2.0
_REAP_POLL_S = 0.0005
_UNCHANGED_ID = 0xFFFFFFFF

_Pair = ctypes.c_int * 2


def unshare(flags: int) -> None:
    """Move this process (for pid: its next child) into new namespaces.

    Source: unshare(2)
    """
    call(f"unshare({flags:#x})", "unshare", flags)


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind a descriptor.

    Source: setns(2)
    """
    call(f"setns({kind:#x})", "setns", fd, kind)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | Text | None) -> None:
    """Mount, bind, remount or change propagation.

    Source: mount(2)
    """
    names = (source.encode(), target.encode(), kind.encode() if kind is not None else 0)
    options: Argument = data.encode() if isinstance(data, str) else data or 0
    call(f"mount {target}", "mount", *names, flags, options)


def make_fifo(path: str, mode: int) -> None:
    """Make a FIFO of exactly this mode. Source: mknod(2), chmod(2)."""
    step = f"make {path}"
    call(step, "mknodat", AT_FDCWD, path.encode(), stat.S_IFIFO | mode, 0)
    call(step, "fchmodat", AT_FDCWD, path.encode(), mode, 0)


def sethostname(name: str) -> None:
    """Name the host of this UTS namespace.

    Source: sethostname(2)
    """
    call("sethostname", "sethostname", name.encode(), len(name.encode()))


def bring_loopback_up() -> None:
    """Make 127.0.0.1 and ::1 work in a new network namespace.

    Source: netdevice(7)
    """
    step = "bring loopback up"
    request = struct.pack("16sh22x", b"lo", _IFF_UP | _IFF_LOOPBACK)
    fd = call(step, "socket", socket.AF_INET, socket.SOCK_DGRAM, 0)
    call(step, "ioctl", fd, _SIOCSIFFLAGS, request)
    call(step, "close", fd)


class OneId:
    """A map of a user namespace in which one id exists."""

    def __init__(self, inner_id: int) -> None:
        self._inner_id = inner_id
        self.text = Text(len(self._line(0)))

    def _line(self, outer_id: int) -> bytes:
        return b"%10d %10d %10d\n" % (self._inner_id, outer_id, 1)

    def to(self, outer_id: int) -> "OneId":
        """Map it to the id ``outer_id`` outside."""
        self.text.fill(self._line(outer_id))
        return self


def enter_user_namespace(uids: OneId, gids: OneId | None = None) -> None:
    """Enter a new user namespace in which one uid and one gid exist.

    Without ``gids`` the two are of the same number, inside and outside. The outer
    ids must be this process's own effective ids; then mapping them needs no
    privilege. The process must be dumpable, or /proc/self belongs to root.
    Afterwards it holds every capability in the new namespace.

    Source: user_namespaces(7); setgroups must be denied first since Linux 3.19
    """
    unshare(CLONE_NEWUSER)
    size = len(uids.text.buffer) - 1
    for name, content, length in (
        ("setgroups", b"deny", 4),
        ("uid_map", uids.text, size),
        ("gid_map", (gids or uids).text, size),
    ):
        path = f"/proc/self/{name}"
        fd = call(f"open {path}", "openat", AT_FDCWD, path.encode(), os.O_WRONLY | os.O_CLOEXEC)
        call(f"write {path}", "write", fd, content, length)
        call(f"close {path}", "close", fd)


def change_identity(identity: int | Given) -> None:
    """Become another uid, and the gid of the same number, with no other group.

    Source: setgroups(2), setresuid(2)
    """
    call("drop groups", "setgroups", 0, 0)
    call("change the gid", "setresgid", identity, identity, identity)
    call("change the uid", "setresuid", identity, identity, identity)


def set_fs_ids(uid: int, gid: int) -> None:
    """Act on files as another identity, the rest of the process staying itself.

    Source: setfsuid(2), which reports no error: a second call tells the value
    """
    for name, wanted in (("setfsgid", gid), ("setfsuid", uid)):
        step = f"{name}({wanted})"
        call_now(step, name, wanted)
        if call_now(step, name, _UNCHANGED_ID) != wanted:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), step)


def set_dumpable(dumpable: bool) -> None:
    """Whether others of this uid may trace this process or read its memory.

    Source: PR_SET_DUMPABLE(2const)
    """
    call("set dumpable", "prctl", _PR_SET_DUMPABLE, int(dumpable))


def set_no_new_privs() -> None:
    """Make exec grant nothing from now on; inherited, and never undone.

    Source: PR_SET_NO_NEW_PRIVS(2const)
    """
    call("set no_new_privs", "prctl", _PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities(keep: frozenset[int]) -> None:
    """Keep only these, where held, as effective and permitted; empty all other sets.

    The bounding, inheritable and ambient sets are emptied whatever is kept,
    and securebits are locked so that uid 0 gains nothing by exec or setuid. May
    be called again with fewer. The first call needs CAP_SETPCAP.

    Source: capabilities(7); capset(2), version 3
    """
    for number in _bounding_set():
        call(f"drop capability {number}", "prctl", _PR_CAPBSET_DROP, number)
    if kernel.is_recording() or _securebits() != _SECUREBITS:
        call("lock securebits", "prctl", _PR_SET_SECUREBITS, _SECUREBITS)
    call("clear ambient capabilities", "prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    limit_capabilities(keep)


def limit_capabilities(keep: frozenset[int]) -> None:
    """Keep only these, where held, as effective and permitted.

    A recording remembers which of them the recording process held.

    Source: capset(2), version 3
    """
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(_CAPABILITY_DATA.size)
    call_now("read capabilities", "capget", header, ctypes.addressof(held))
    _, permitted_low, _, _, permitted_high, _ = _CAPABILITY_DATA.unpack(held.raw)
    mask = sum(1 << number for number in keep)
    low, high = mask & permitted_low, mask >> 32 & permitted_high
    data = _CAPABILITY_DATA.pack(low, low, 0, high, high, 0)
    call("drop capabilities", "capset", header, data)


def _bounding_set() -> list[int]:
    """Capabilities to drop from it; all that exist, for a recording."""
    step = "read the bounding set"
    every = kernel.is_recording()
    found = []
    with contextlib.suppress(OSError):  # beyond the last this kernel knows
        for number in range(_MOST_CAPABILITIES):
            if call_now(step, "prctl", _PR_CAPBSET_READ, number) or every:
                found.append(number)
    return found


def _securebits() -> int:
    return call_now("read securebits", "prctl", _PR_GET_SECUREBITS)


def apply_rlimits(limits: Mapping[str, Sequence[int]]) -> None:
    """Set own limits, ``RLIMIT_…`` to ``[soft, hard]``; see ``prlimit``."""
    prlimit(0, limits)


def prlimit(pid: int, limits: Mapping[str, Sequence[int]]) -> None:
    """Set a process's limits; where its hard limit is lower already, that stays.

    Source: prlimit(2)
    """
    for name, (wanted_soft, wanted_hard) in limits.items():
        kind = getattr(resource, name)
        ceiling = resource.prlimit(pid, kind)[1]
        soft, hard = _lower(wanted_soft, ceiling), _lower(wanted_hard, ceiling)
        values = struct.pack("QQ", soft & _NO_LIMIT, hard & _NO_LIMIT)
        call(f"set {name}", "prlimit64", pid, kind, values, 0)


def _lower(value: int, ceiling: int) -> int:
    if ceiling == resource.RLIM_INFINITY:
        return value
    return ceiling if value == resource.RLIM_INFINITY else min(value, ceiling)


def restrict_landlock(spec: Mapping[str, Any], made: frozenset[str] = frozenset()) -> None:
    """Apply a ruleset made by ``mechanisms/landlock.py``; needs no_new_privs.

    A rule for a path that does not exist is passed over: it would only grant.

    Args:
        spec: the ruleset.
        made: paths that exist by the time of the replay, if not yet.

    Source: landlock(7)
    """
    size = spec["attribute_bytes"]
    attribute = struct.pack("QQQ", spec["handled_fs"], 0, spec["scoped"])[:size]
    step = "create a Landlock ruleset"
    ruleset = call(step, "landlock_create_ruleset", attribute, size, 0)
    for path, rights in spec["rules"]:
        if path in made or os.path.exists(path):
            _allow_beneath(ruleset, path, rights)
    step = "restrict by Landlock"
    call(step, "landlock_restrict_self", ruleset, spec["restrict_flags"])
    call(step, "close", ruleset)


def _allow_beneath(ruleset: Argument, path: str, rights: int) -> None:
    step = f"allow {path} by Landlock"
    fd = call(step, "openat", AT_FDCWD, path.encode(), os.O_PATH | os.O_CLOEXEC)
    call(step, "dup3", fd, _RULE_FD, os.O_CLOEXEC)
    call(step, "close", fd)
    rule = struct.pack("=Qi", rights, _RULE_FD)
    kind = _LANDLOCK_RULE_PATH_BENEATH
    call(step, "landlock_add_rule", ruleset, kind, rule, 0)
    call(step, "close", _RULE_FD)


def load_seccomp(program: bytes) -> None:
    """Load a filter, an array of ``struct sock_filter``; needs no_new_privs.

    Filters the calling thread and whatever it starts later.

    Source: PR_SET_SECCOMP(2const)
    """
    count, rest = divmod(len(program), _SOCK_FILTER_BYTES)
    if rest or not count:
        raise OSError(errno.EINVAL, "not an array of sock_filter", "load the seccomp filter")
    address = kernel.hold(program)
    head = struct.pack("HP", count, address)
    call("load the seccomp filter", "prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head)


def make_pair() -> tuple[int, int]:
    """Two connected stream sockets, not inherited by exec; not recorded.

    Source: socketpair(2)
    """
    pair = _Pair()
    kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC
    address = ctypes.addressof(pair)
    call_now("make a pair of sockets", "socketpair", socket.AF_UNIX, kind, 0, address)
    return pair[0], pair[1]


def set_umask(mask: int) -> None:
    """Set the bits that new files are made without. Source: umask(2)."""
    call("set the umask", "umask", mask)


def change_directory(path: str) -> None:
    """Set the working directory. Source: chdir(2)."""
    call(f"change to {path}", "chdir", path.encode())


def close_range(first: int, last: int) -> None:
    """Close descriptors ``first`` to ``last``, both included; none if reversed.

    Source: close_range(2), Linux 5.9
    """
    if first <= last:
        call("close descriptors", "close_range", first, last, 0)


def openat2(folder: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """Open beneath a descriptor, under the kernel's own rules of resolution.

    Not recorded.

    Raises:
        OSError: ELOOP for a link, EXDEV for a way out, and open's own;
            ValueError for a path with NUL in it.

    Source: openat2(2), Linux 5.6
    """
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    how = struct.pack("QQQ", flags, mode if flags & os.O_CREAT else 0, resolve)
    for _attempt in range(_OPENAT2_ATTEMPTS):
        # EAGAIN: a rename raced the walk and the kernel could not vouch for it
        with contextlib.suppress(BlockingIOError):
            return call_now(f"open {path!r}", "openat2", folder, name, how, len(how))
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), f"open {path!r}")


def kill_others() -> None:
    """End every other process of this pid namespace.

    For the namespace's pid 1 alone: there ``-1`` means its descendants.

    Raises:
        OSError: EPERM outside pid 1.

    Source: kill(2); pid_namespaces(7)
    """
    if os.getpid() != 1:
        raise OSError(errno.EPERM, "not pid 1 of a cell", "end all processes")
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def kill_all() -> None:
    """End every other process of this pid namespace, and reap it.

    Raises:
        OSError: EPERM outside pid 1; ETIMEDOUT when one does not end.

    Source: pid_namespaces(7)
    """
    deadline = time.monotonic() + _REAP_DEADLINE_S
    while time.monotonic() < deadline:
        kill_others()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_REAP_POLL_S)
    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), "end all processes")
