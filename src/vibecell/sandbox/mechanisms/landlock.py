"""The Landlock ruleset of a cell: a second rule over its files and signals.

Owns the rights by ABI and the paths they are given on; refuses to apply them,
that is ``cell/confine.py``'s. The mount namespace already shows nothing of the
host; this holds where a mount was made wrongly.

There is no network rule on purpose: a cell's network namespace holds loopback
alone, programs talk to themselves over it, and Landlock's TCP rights know
ports but no addresses, so handling them would forbid just that.

Source: landlock(7); Documentation/userspace-api/landlock.rst, Linux 6.18
"""

import ctypes
from collections.abc import Mapping, Sequence
from types import MappingProxyType

HIGHEST_KNOWN_ABI = 7
_CREATE_RULESET = 444
_CREATE_RULESET_VERSION = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1
LOG_SAME_EXEC_OFF, LOG_SUBDOMAINS_OFF = 1 << 0, 1 << 2

_FIRST_ABI_RIGHTS = (1 << 13) - 1
_ADDED_RIGHTS: Mapping[int, int] = MappingProxyType({2: REFER, 3: TRUNCATE, 5: IOCTL_DEV})
_LOOK = EXECUTE | READ_FILE | READ_DIR
_CHANGE = (WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO) | (
    MAKE_SYM | REFER | TRUNCATE
)
_USE_DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV

RULES: Sequence[tuple[str, int]] = (
    ("/", _LOOK),
    ("/workspace", _LOOK | _CHANGE),
    ("/tmp", _LOOK | _CHANGE),
    ("/dev/shm", _LOOK | _CHANGE),
    ("/dev", _USE_DEVICE | READ_DIR),
    ("/run/display", WRITE_FILE),  # the FIFO that programs show things through
)


def supported_abi() -> int:
    """The Landlock ABI of this kernel; 0 where there is none.

    Source: landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION
    )
    return max(0, int(version))


def handled_rights(abi: int) -> int:
    """Every right over files that this ABI can refuse."""
    rights = _FIRST_ABI_RIGHTS
    for since, right in _ADDED_RIGHTS.items():
        if abi >= since:
            rights |= right
    return rights


def ruleset(
    abi: int, rules: Sequence[tuple[str, int]] = RULES
) -> dict[str, int | list[tuple[str, int]]]:
    """What ``confine.restrict_landlock`` applies, ready for JSON.

    Everything is refused but what a rule gives beneath its path. From ABI 6 on
    signals and abstract sockets stay within the cell's own programs. From ABI
    7 on refusals are not logged: hostile code could flood the host's audit log.

    Args:
        abi: as ``supported_abi`` measured it; a newer one is used as the
            newest known.

    Raises:
        ValueError: the ABI is below 1: there is no ruleset for no Landlock.
    """
    if abi < 1:
        raise ValueError("this kernel has no Landlock")
    handled = handled_rights(abi)
    return {
        "abi": min(abi, HIGHEST_KNOWN_ABI),
        "handled_fs": handled,
        "scoped": SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL if abi >= 6 else 0,
        # struct landlock_ruleset_attr grew: files, then network, then scopes
        "attribute_bytes": 24 if abi >= 6 else 16 if abi >= 4 else 8,
        "restrict_flags": LOG_SAME_EXEC_OFF | LOG_SUBDOMAINS_OFF if abi >= 7 else 0,
        "rules": [(path, access & handled) for path, access in rules],
    }
