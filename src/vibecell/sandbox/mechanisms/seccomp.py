"""The seccomp filter: from a table of calls to a program for the kernel.

Owns the argument rules, the compiler to classic BPF and the same policy in
Docker's form; refuses to load anything, that is ``cell/confine.py``'s.

An allow-list: what is not listed is refused, so that calls the kernel gains
later are refused too. The answers: EPERM by default; ENOSYS for calls that
libraries know how to do without, and for numbers above the highest known;
death of the process for another architecture's calls or the x32 ones, since a
filter that knows one numbering is got round by another.

The program is a balanced tree of ranges of call numbers, its leaves being
answers or small argument checks: it loads several times faster than a chain of
comparisons, and the kernel caches the answer of an unconditional call.

Source: seccomp(2); Documentation/userspace-api/seccomp_filter.rst
"""

import functools
import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

from vibecell.sandbox.mechanisms.syscalls import (
    ABSENT,
    HIGHEST_KNOWN,
    NUMBERS,
    NUMBERS_OF_WALLS,
    UNFILTERED,
)

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000
AUDIT_ARCHITECTURES: Mapping[str, int] = MappingProxyType(
    {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
)
X32_BIT = 0x40000000
_WORD = 0xFFFFFFFF
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05  # LD|W|ABS, ALU|AND|K, RET|K, JMP|JA
_JUMP_EQUAL, _JUMP_AT_LEAST = 0x15, 0x35  # JMP|JEQ|K, JMP|JGE|K
_MAX_SKIP = 255

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on the low 32 bits of one argument.

    The high half is never looked at, because the kernel ignores it for every
    argument named here: comparing it would let ``value | 1 << 32`` pass for
    something else (CVE-2019-10063).

    Attributes:
        index: of the argument, from 0.
        values: the masked argument must be one of these (none of these if
            ``excluded``).
    """

    index: int
    values: tuple[int, ...]
    mask: int = _WORD
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A call allowed under conditions.

    Attributes:
        allowed: alternatives; in each, every condition must hold.
        refused: a condition that is answered with ``errno`` before them.
        errno: the answer to ``refused``; otherwise the answer is EPERM.
    """

    allowed: tuple[tuple[Argument, ...], ...]
    refused: Argument | None = None
    errno: int = EPERM


_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_TYPE_MASK, _STREAM_OR_DATAGRAM = 0xF, (1, 2)
_IP_PROTOCOLS = (0, 6, 17)  # any, TCP, UDP: no SCTP, MPTCP or ICMP sockets
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_TERMINAL_INJECTION = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_FORBIDDEN_PRCTLS = (35, 0x59616D61)  # PR_SET_MM, PR_SET_PTRACER
_FUTEX_COMMAND_MASK = 0x7F
_FUTEX_COMMANDS = (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 13)  # not 11 and 12, the requeue-PI pair
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, _WORD)  # Linux, 32-bit uname, 2.6 uname, query
_FILE_TYPE_MASK = 0xF000
_NODE_TYPES = (0, 0x1000, 0x8000)  # regular (0 means it too) and FIFO
_mknod_types = functools.partial(Argument, values=_NODE_TYPES, mask=_FILE_TYPE_MASK)

FILTERED: Mapping[str, Rule] = MappingProxyType(
    {
        # threads and children, but no namespace: a new user namespace is the
        # door to most of the kernel's privileged code
        "clone": Rule(allowed=((Argument(0, (0,), _NEW_NAMESPACES),),)),
        # AF_VSOCK reaches the hypervisor, AF_ALG the page cache, AF_PACKET and
        # the rest code that only root was meant to reach
        "socket": Rule(
            allowed=(
                (Argument(0, (_AF_UNIX,)),),
                (
                    Argument(0, (_AF_INET, _AF_INET6)),
                    Argument(1, _STREAM_OR_DATAGRAM, _SOCK_TYPE_MASK),
                    Argument(2, _IP_PROTOCOLS),
                ),
                (Argument(0, (_AF_NETLINK,)), Argument(2, (0,))),  # NETLINK_ROUTE
            ),
            refused=Argument(0, (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK), excluded=True),
            errno=EAFNOSUPPORT,
        ),
        # AF_TIPC makes pairs too
        "socketpair": Rule(
            allowed=((Argument(0, (_AF_UNIX,)),),),
            refused=Argument(0, (_AF_UNIX,), excluded=True),
            errno=EAFNOSUPPORT,
        ),
        "ioctl": Rule(allowed=((Argument(1, _TERMINAL_INJECTION, excluded=True),),)),
        "prctl": Rule(allowed=((Argument(0, _FORBIDDEN_PRCTLS, excluded=True),),)),
        "futex": Rule(allowed=((Argument(1, _FUTEX_COMMANDS, _FUTEX_COMMAND_MASK),),)),
        "personality": Rule(allowed=((Argument(0, _PERSONALITIES),),)),
        "mknod": Rule(allowed=((_mknod_types(1),),)),
        "mknodat": Rule(allowed=((_mknod_types(2),),)),
        # of the calling process only: limits of another are not its business
        "prlimit64": Rule(allowed=((Argument(0, (0,)),),)),
    }
)


OUTER_WALL_CALLS = (
    # namespaces and mounts of the inner wall, made by who is root of a user namespace
    "unshare", "setns", "mount", "sethostname",
    # of a runner, by its agent: the limits that a request asked for
    "prlimit64",
)  # fmt: skip
"""What zygotes and agents must be allowed beyond a program's calls; programs are refused
them by the filter that they load themselves."""


UNSAMPLED_MEMORY_CALLS = ("memfd_create", "shmget", "msgget")
"""What makes memory that lives in no process and in no file system of a bounded size: only a
cgroup counts it. Where memory is sampled by process these are absent, and libraries do without.

Source: memfd_create(2); sysvipc(7)
"""


class UnsupportedMachineError(Exception):
    """There is no table of call numbers for this machine, hence no filter."""


def compile_filter(
    machine: str | None = None, unrestricted: Iterable[str] = (), absent: Iterable[str] = ()
) -> bytes:
    """The filter as an array of ``struct sock_filter``.

    Args:
        machine: as ``uname -m`` says; ``None`` is this one.
        unrestricted: calls allowed in addition, whatever their arguments.
        absent: calls answered ENOSYS in addition.

    Raises:
        UnsupportedMachineError: neither x86-64 nor AArch64.
    """
    machine = machine or platform.machine()
    if machine not in NUMBERS:
        raise UnsupportedMachineError(f"no table of system calls for {machine}")
    return _compile(machine, frozenset(unrestricted), frozenset(absent))


@functools.cache
def _compile(machine: str, unrestricted: frozenset[str], absent: frozenset[str]) -> bytes:
    tree = _tree(_runs(machine, NUMBERS[machine], unrestricted, absent))
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        (_RETURN, 0, 0, KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
        *tree,
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _runs(
    machine: str,
    numbers: Mapping[str, int],
    unrestricted: frozenset[str],
    absent: frozenset[str],
) -> list[tuple[int, list[Instruction]]]:
    """First number of each run of calls with one answer, and that answer's code."""
    of_walls = {**numbers, **NUMBERS_OF_WALLS[machine]}
    answers: dict[int, list[Instruction]] = {
        **{numbers[n]: _answer(ALLOW) for n in chain(*UNFILTERED.values()) if n in numbers},
        **{numbers[n]: _checks(rule) for n, rule in FILTERED.items() if n in numbers},
        **{numbers[n]: _answer(ERRNO | ENOSYS) for n in absent.union(ABSENT) if n in numbers},
        **{of_walls[n]: _answer(ALLOW) for n in unrestricted},
    }
    runs: list[tuple[int, list[Instruction]]] = []
    for number in range(HIGHEST_KNOWN + 1):
        code = answers.get(number, _answer(ERRNO | EPERM))
        if not runs or runs[-1][1] != code:
            runs.append((number, code))
    runs.append((HIGHEST_KNOWN + 1, _answer(ERRNO | ENOSYS)))
    if machine == "x86_64":
        runs.append((X32_BIT, _answer(KILL_PROCESS)))
    return runs


def _answer(action: int) -> list[Instruction]:
    return [(_RETURN, 0, 0, action)]


def _checks(rule: Rule) -> list[Instruction]:
    code: list[Instruction] = []
    if rule.refused is not None:
        code += _alternative((rule.refused,), ERRNO | rule.errno)
    for conditions in rule.allowed:
        code += _alternative(conditions, ALLOW)
    return code + _answer(ERRNO | EPERM)


def _alternative(conditions: tuple[Argument, ...], action: int) -> list[Instruction]:
    """Answer when every condition holds, else go on behind this code."""
    code = _answer(action)
    for condition in reversed(conditions):
        code = _condition(condition, len(code)) + code
    return code


def _condition(condition: Argument, skip: int) -> list[Instruction]:
    """Fall through when it holds; jump over ``skip`` more instructions when not."""
    code: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * condition.index)]
    if condition.mask != _WORD:
        code.append((_AND, 0, 0, condition.mask))
    last = len(condition.values) - 1
    for place, value in enumerate(condition.values):
        on_equal = last - place + (skip if condition.excluded else 0)
        on_other = skip if place == last and not condition.excluded else 0
        code.append((_JUMP_EQUAL, on_equal, on_other, value))
    return code


def _tree(runs: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    if len(runs) == 1:
        return runs[0][1]
    middle = len(runs) // 2
    low, high = _tree(runs[:middle]), _tree(runs[middle:])
    if len(low) <= _MAX_SKIP:
        return [(_JUMP_AT_LEAST, len(low), 0, runs[middle][0]), *low, *high]
    far: Instruction = (_JUMP, 0, 0, len(low))
    return [(_JUMP_AT_LEAST, 0, 1, runs[middle][0]), far, *low, *high]


def to_oci_profile(
    machine: str | None = None, unrestricted: Iterable[str] = ()
) -> dict[str, object]:
    """The same policy as the JSON that ``docker run --security-opt seccomp=`` takes.

    One difference: a known family with a wrong type or protocol, like every
    refusal without an errno of its own, is EPERM there as here, and the
    runtime itself adds ENOSYS above the newest call it knows.

    Args:
        machine: as ``uname -m`` says; ``None`` is this one.
        unrestricted: calls allowed in addition, whatever their arguments: what
            an agent needs to build the inner wall.

    Raises:
        UnsupportedMachineError: neither x86-64 nor AArch64.
    """
    machine = machine or platform.machine()
    if machine not in NUMBERS:
        raise UnsupportedMachineError(f"no table of system calls for {machine}")
    free = frozenset(unrestricted)
    allowed = sorted(free.union(*UNFILTERED.values()))
    rules: list[dict[str, object]] = [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
    refused = [name for name in ABSENT if name not in free]
    rules.append({"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    for name, rule in FILTERED.items():
        if name not in free:
            rules += _oci_rules(name, rule)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": [f"SCMP_ARCH_{machine.upper()}"],
        "syscalls": rules,
    }


def _oci_rules(name: str, rule: Rule) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if rule.refused is not None:
        for condition in _oci_alternatives((rule.refused,)):
            found.append(
                {
                    "names": [name],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": rule.errno,
                    "args": condition,
                }
            )
    for conditions in rule.allowed:
        for condition in _oci_alternatives(conditions):
            found.append({"names": [name], "action": "SCMP_ACT_ALLOW", "args": condition})
    return found


def _oci_alternatives(conditions: tuple[Argument, ...]) -> list[list[dict[str, object]]]:
    """Every way to satisfy all conditions, each with one comparison per argument.

    libseccomp takes one comparison of an argument in a rule and has no "not
    equal under a mask"; an exclusion is written as the blocks that remain.
    """
    alternatives: list[list[dict[str, object]]] = [[]]
    for condition in conditions:
        pairs = (
            _blocks_without(condition.values)
            if condition.excluded
            else [(condition.mask, value) for value in condition.values]
        )
        alternatives = [
            [
                *before,
                {
                    "index": condition.index,
                    "value": mask,
                    "valueTwo": value,
                    "op": "SCMP_CMP_MASKED_EQ",
                },
            ]
            for before in alternatives
            for mask, value in pairs
        ]
    return alternatives


def _blocks_without(
    values: tuple[int, ...], bits: int = 32, prefix: int = 0
) -> list[tuple[int, int]]:
    """``(mask, value)`` of the aligned blocks that cover all but ``values``."""
    inside = tuple(v for v in values if v >> bits == prefix)
    if not inside:
        return [((_WORD << bits) & _WORD, prefix << bits)]
    if bits == 0:
        return []
    return _blocks_without(inside, bits - 1, prefix << 1) + _blocks_without(
        inside, bits - 1, prefix << 1 | 1
    )
