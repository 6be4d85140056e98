"""From limits of an execution to resource limits of a process.

Owns the table of values; refuses to set any, that is ``cell/confine.py``'s.
Values are ``(soft, hard)`` under the names of the ``resource`` module, ready
for JSON. These bound one process (or one uid); what bounds all processes of a
cell together is the cgroup.

Source: getrlimit(2)
"""

from collections.abc import Mapping
from types import MappingProxyType

from vibecell.model.limits import MIB, Limits

_STACK_SOFT_BYTES, _STACK_HARD_BYTES = 8 * MIB, 64 * MIB
_PENDING_SIGNALS = 256
# more than a program that was started ahead has: Node.js has a dozen threads, whatever the limit
SPARE_PROCESSES = 32

_CONSTANT: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
        "RLIMIT_NICE": (0, 0),
        "RLIMIT_RTPRIO": (0, 0),
        "RLIMIT_SIGPENDING": (_PENDING_SIGNALS, _PENDING_SIGNALS),
        # the usual soft limit, because threads take it as their stack size
        "RLIMIT_STACK": (_STACK_SOFT_BYTES, _STACK_HARD_BYTES),
    }
)


def constant_rlimits() -> dict[str, tuple[int, int]]:
    """Those that no request can change; set before any user code is known."""
    return dict(_CONSTANT)


def rlimits_for(limits: Limits, spare_processes: int = 0) -> dict[str, tuple[int, int]]:
    """Those that a request's limits decide.

    CPU seconds are rounded up and one is added, so that the exact accounting of
    the cell is what ends a program, and this only what ends a process that
    escaped it. NPROC counts threads of the cell's uid in its user namespace.

    Args:
        spare_processes: how far NPROC stays above the limit: ``SPARE_PROCESSES`` where
            a cgroup counts too, so that the cgroup refuses first and tells of it.
    """
    processes = limits.processes + spare_processes
    cpu_s = -(-limits.cpu_time_ms // 1000) + 1
    return {
        "RLIMIT_NOFILE": (limits.open_files, limits.open_files),
        "RLIMIT_NPROC": (processes, processes),
        "RLIMIT_FSIZE": (limits.workspace_bytes, limits.workspace_bytes),
        "RLIMIT_CPU": (cpu_s, cpu_s),
    }
