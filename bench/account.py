"""Processor time of a contender: of its cgroups, or where there are none of its processes.

Owns the accounts and waiting until they come to rest; refuses machine-wide counters,
which would charge a contender with whatever else runs here.

Theory of operation: a cgroup of version 2 adds up the time of all that ever ran in it or
below it, however it ended and whoever waited for it. It does so without any controller,
so that nothing is scheduled otherwise than outside. Where none can be made, the time is
that of a tree of processes (``processes.py``), which lacks the ended children of whoever
leaves reaping to the kernel: the cells of Vibecell.

Source: Documentation/admin-guide/cgroup-v2.rst, "cpu.stat"; wait(2), "Notes"
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from vibecell.sandbox.mechanisms.cgroup_files import flat_value, remove_directory
from vibecell.sandbox.mechanisms.cgroup_layout import unified_place

_KTHREADD = 2
_SETTLE_STEP_S = 0.1
_SETTLE_DEADLINE_S = 3.0
_REST_SHARE = 0.15
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Account:
    """Whose processor time is counted.

    Attributes:
        root: pid of the topmost of its processes.
        cgroups: where all of them are, none below another; empty: none is to be had.
    """

    root: int
    cgroups: tuple[Path, ...] = ()

    @classmethod
    def of(cls, root: int, *cgroups: Path | None) -> "Account":
        """By cgroups, if none of them is lacking."""
        found = tuple(cgroup for cgroup in cgroups if cgroup is not None)
        return cls(root, found if len(found) == len(cgroups) else ())

    def cpu_s(self, among: dict[int, processes.Process]) -> float:
        """User and system time so far, in seconds.

        Args:
            among: all processes of this machine.
        """
        if self.cgroups:
            return sum(_used_s(cgroup) for cgroup in self.cgroups)
        return sum(process.cpu_s for process in processes.tree(self.root, among))


def _used_s(cgroup: Path) -> float:
    try:
        content = (cgroup / "cpu.stat").read_bytes()
    except FileNotFoundError:
        return 0.0  # a Docker engine makes it with its first container
    return flat_value(content, b"usage_usec") / 1e6


@contextlib.contextmanager
def own_cgroup() -> Iterator[Path | None]:
    """A new cgroup of version 2, beneath this process's; goes with the block.

    Returns:
        ``None`` where none is to be had.

    Raises:
        OSError: somebody is in it at the end of the block.
    """
    place = unified_place()
    cgroup = place / f"vibecell-bench-{os.getpid()}-{next(_numbers)}" if place else None
    try:
        if cgroup is not None:
            cgroup.mkdir()
    except OSError:  # not ours to make, or mounted read-only
        cgroup = None
    try:
        yield cgroup
    finally:
        if cgroup is not None:
            remove_directory(cgroup)


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Processor time so far, in seconds: of some accounts, and of the kernel's threads."""

    accounts_s: float
    kernel_s: float


def cpu_time(*accounts: Account) -> CpuTime:
    """Of these accounts together, and of all kernel threads of this machine."""
    among = processes.all_processes()
    kernel_s = sum(p.cpu_s for p in among.values() if p.parent == _KTHREADD)
    return CpuTime(sum(account.cpu_s(among) for account in accounts), kernel_s)


def settled_cpu_time(*accounts: Account) -> CpuTime:
    """The same, once they have come to rest: what a run leaves behind is its cost, too.

    What does not rest is taken as it is after three seconds.
    """
    deadline_s = time.monotonic() + _SETTLE_DEADLINE_S
    before = cpu_time(*accounts)
    while True:
        time.sleep(_SETTLE_STEP_S)
        after = cpu_time(*accounts)
        grown_s = after.accounts_s - before.accounts_s
        # less than before: a process ended between two looks, and was counted in neither
        if 0 <= grown_s < _REST_SHARE * _SETTLE_STEP_S or time.monotonic() > deadline_s:
            return after
        before = after
