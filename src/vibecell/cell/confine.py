"""The inner wall, stone by stone: one thin wrapper per kernel mechanism.

Owns the calls that confine a process: namespaces, mounts, identity,
capabilities, rlimits, Landlock, seccomp, descriptors. Applies what it is
given and refuses to decide: rulesets, programs and limits are computed by the
engine. Runs behind the walls, so it imports the standard library only.

Every function raises ``OSError`` whose ``filename`` is the step that failed,
so that a failure can be reported as a sentence. The order of the steps is the
caller's; each function says what it needs before it.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import random
import re
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CLONE_NEWUSER = 0x10000000
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
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_MADV_COLLAPSE = 25
_HUGE_PAGE_BYTES = 2 << 20
_ANONYMOUS_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0\s*(?:\[heap\])?$")
_OPENAT2_ATTEMPTS = 8
_REAP_DEADLINE_S = 2.0
_REAP_POLL_S = 0.0005
_UNCHANGED_ID = 0xFFFFFFFF

# these differ: number on x86-64, on AArch64; newer ones are the same everywhere
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPGET = {"x86_64": 125, "aarch64": 90}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_SYS_CLOSE_RANGE, _SYS_OPENAT2 = 436, 437
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_MACHINE = os.uname().machine

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, step: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), step)
    return result


@contextlib.contextmanager
def _named(step: str) -> Iterator[None]:
    """Give the errors of the standard library the name of the step."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), step) from error


def _syscall(step: str, number: int, *arguments: int | bytes) -> int:
    """A call that libc has no function for; integers are passed as long."""
    wide = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    return _check(_libc.syscall(ctypes.c_long(number), *wide), step)


def _prctl(step: str, option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _check(_libc.prctl(option, *(ctypes.c_ulong(a) for a in padded)), step)


def unshare(flags: int) -> None:
    """Move this process (for pid: its next child) into new namespaces.

    Source: unshare(2)
    """
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind a descriptor.

    Source: setns(2)
    """
    _check(_libc.setns(fd, kind), f"setns({kind:#x})")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    """Mount, bind, remount or change propagation.

    Source: mount(2)
    """
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        data.encode() if data is not None else None,
    )
    _check(result, f"mount {target}")


def umount2(target: str, flags: int) -> None:
    """Unmount.

    Source: umount(2)
    """
    _check(_libc.umount2(target.encode(), flags), f"unmount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make another mount the root; there is no way back, as there is from chroot.

    Source: pivot_root(2)
    """
    number = _SYS_PIVOT_ROOT[_MACHINE]
    _syscall(f"pivot_root {new_root}", number, new_root.encode(), put_old.encode())


def sethostname(name: str) -> None:
    """Name the host of this UTS namespace.

    Source: sethostname(2)
    """
    with _named("sethostname"):
        socket.sethostname(name)


def bring_loopback_up() -> None:
    """Make 127.0.0.1 and ::1 work in a new network namespace.

    Source: netdevice(7)
    """
    with (
        _named("bring loopback up"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def enter_user_namespace(inner_uid: int, outer_uid: int, inner_gid: int, outer_gid: int) -> None:
    """Enter a new user namespace in which one uid and one gid exist.

    ``outer_*`` must be this process's own effective ids; then mapping them
    needs no privilege. The process must be dumpable, or /proc/self belongs to
    root. Afterwards it holds every capability in the new namespace.

    Source: user_namespaces(7); setgroups must be denied first since Linux 3.19
    """
    unshare(CLONE_NEWUSER)
    for name, content in (
        ("setgroups", b"deny"),
        ("uid_map", b"%d %d 1" % (inner_uid, outer_uid)),
        ("gid_map", b"%d %d 1" % (inner_gid, outer_gid)),
    ):
        path = f"/proc/self/{name}"
        with _named(f"write {path}"), open(path, "wb", buffering=0) as file:
            file.write(content)


def set_fs_ids(uid: int, gid: int) -> None:
    """Act on files as another identity, the rest of the process staying itself.

    Source: setfsuid(2), which reports no error: a second call tells the value
    """
    for step, call, wanted in (
        (f"setfsgid({gid})", _libc.setfsgid, gid),
        (f"setfsuid({uid})", _libc.setfsuid, uid),
    ):
        call(ctypes.c_uint(wanted))
        if call(ctypes.c_uint(_UNCHANGED_ID)) & 0xFFFFFFFF != wanted:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), step)


def set_dumpable(dumpable: bool) -> None:
    """Whether others of this uid may trace this process or read its memory.

    Source: PR_SET_DUMPABLE(2const)
    """
    _prctl("set dumpable", _PR_SET_DUMPABLE, int(dumpable))


def set_no_new_privs() -> None:
    """Make exec grant nothing from now on; inherited, and never undone.

    Source: PR_SET_NO_NEW_PRIVS(2const)
    """
    _prctl("set no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities(keep: frozenset[int]) -> None:
    """Keep only these, where held, as effective and permitted; empty all other sets.

    The bounding, inheritable and ambient sets are emptied whatever is kept,
    and securebits are locked so that uid 0 gains nothing by exec or setuid. May
    be called again with fewer. The first call needs CAP_SETPCAP.

    Source: capabilities(7); capset(2), version 3
    """
    for number in range(_MOST_CAPABILITIES):
        bounding = _libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(number), 0, 0, 0)
        if bounding < 0:
            break  # beyond the last this kernel knows
        if bounding:
            _prctl(f"drop capability {number}", _PR_CAPBSET_DROP, number)
    if _prctl("read securebits", _PR_GET_SECUREBITS) != _SECUREBITS:
        _prctl("lock securebits", _PR_SET_SECUREBITS, _SECUREBITS)
    _prctl("clear ambient capabilities", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(_CAPABILITY_DATA.size)
    _syscall("read capabilities", _SYS_CAPGET[_MACHINE], header, ctypes.addressof(held))
    _, permitted_low, _, _, permitted_high, _ = _CAPABILITY_DATA.unpack(held.raw)
    mask = sum(1 << number for number in keep)
    low, high = mask & permitted_low, mask >> 32 & permitted_high
    data = _CAPABILITY_DATA.pack(low, low, 0, high, high, 0)
    _syscall("drop capabilities", _SYS_CAPSET[_MACHINE], header, data)


def apply_rlimits(limits: Mapping[str, Sequence[int]]) -> None:
    """Set own limits, ``RLIMIT_…`` to ``[soft, hard]``; see ``prlimit``."""
    prlimit(0, limits)


def prlimit(pid: int, limits: Mapping[str, Sequence[int]]) -> None:
    """Set a process's limits; where its hard limit is lower already, that stays.

    Source: prlimit(2)
    """
    for name, wanted in limits.items():
        kind = getattr(resource, name)
        with _named(f"set {name}"):
            ceiling = resource.prlimit(pid, kind)[1]
            soft, hard = (_lower(value, ceiling) for value in wanted)
            resource.prlimit(pid, kind, (soft, hard))


def _lower(value: int, ceiling: int) -> int:
    if ceiling == resource.RLIM_INFINITY:
        return value
    return ceiling if value == resource.RLIM_INFINITY else min(value, ceiling)


def restrict_landlock(spec: Mapping[str, Any]) -> None:
    """Apply a ruleset made by ``mechanisms/landlock.py``; needs no_new_privs.

    A rule for a path that does not exist is passed over: it would only grant.

    Source: landlock(7)
    """
    size = spec["attribute_bytes"]
    attribute = struct.pack("QQQ", spec["handled_fs"], 0, spec["scoped"])[:size]
    ruleset = _syscall("create a Landlock ruleset", _SYS_LANDLOCK_CREATE, attribute, size, 0)
    try:
        for path, rights in spec["rules"]:
            with contextlib.suppress(FileNotFoundError):
                _allow_beneath(ruleset, path, rights)
        step = "restrict by Landlock"
        _syscall(step, _SYS_LANDLOCK_RESTRICT, ruleset, spec["restrict_flags"])
    finally:
        os.close(ruleset)


def _allow_beneath(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, fd)
        kind = _LANDLOCK_RULE_PATH_BENEATH
        _syscall(f"allow {path} by Landlock", _SYS_LANDLOCK_ADD, ruleset, kind, rule, 0)
    finally:
        os.close(fd)


def load_seccomp(program: bytes) -> None:
    """Load a filter, an array of ``struct sock_filter``; needs no_new_privs.

    Filters the calling thread and whatever it starts later.

    Source: PR_SET_SECCOMP(2const)
    """
    count, rest = divmod(len(program), _SOCK_FILTER_BYTES)
    if rest or not count:
        raise OSError(errno.EINVAL, "not an array of sock_filter", "load the seccomp filter")
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HP", count, ctypes.addressof(code)))
    address = ctypes.addressof(head)
    _prctl("load the seccomp filter", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address)


def close_range(first: int, last: int) -> None:
    """Close descriptors ``first`` to ``last``, both included; none if reversed.

    Source: close_range(2), Linux 5.9
    """
    if first <= last:
        _syscall("close descriptors", _SYS_CLOSE_RANGE, first, last, 0)


def openat2(folder: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """Open beneath a descriptor, under the kernel's own rules of resolution.

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
            return _syscall(f"open {path!r}", _SYS_OPENAT2, folder, name, how, len(how))
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), f"open {path!r}")


def kill_all() -> None:
    """End every other process of this pid namespace, and reap it.

    For the namespace's pid 1 alone: there ``-1`` means its descendants.

    Raises:
        OSError: EPERM outside pid 1; ETIMEDOUT when one does not end.

    Source: kill(2); pid_namespaces(7)
    """
    if os.getpid() != 1:
        raise OSError(errno.EPERM, "not pid 1 of a cell", "end all processes")
    deadline = time.monotonic() + _REAP_DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_REAP_POLL_S)
    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), "end all processes")


def reseed() -> None:
    """Give this fork randomness, temporary names and UUIDs of its own.

    ``os.fork`` reseeds ``random``; numpy's legacy state, the sequence of
    temporary names and the clock of ``uuid1`` are shared unless renewed here.
    """
    random.seed()
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()
    if (tempfile := sys.modules.get("tempfile")) is not None:
        vars(tempfile)["_name_sequence"] = None
    if (uuid := sys.modules.get("uuid")) is not None:
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
