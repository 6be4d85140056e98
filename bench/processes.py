"""Processor time and memory of processes, read from /proc.

Owns the trees of processes and their accounting; refuses machine-wide
counters, which would charge a contender with whatever else runs here.

Theory of operation: the kernel adds the time of a child that was waited for
to its parent's ``cutime`` and ``cstime``. The sum of all four fields over the
living of a tree is therefore the time of the whole tree, ended processes
included, as long as every one was waited for. Not counted: a child whose
parent ignores SIGCHLD, as a zygote of Vibecell does: what its cells used is
missing once they have ended. Nor are the kernel's own threads, which are
reported apart.

Source: proc_pid_stat(5), fields 14 to 17; wait(2), "Notes".
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KTHREADD = 2
_SETTLE_STEP_S = 0.1
_SETTLE_DEADLINE_S = 3.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment.

    Attributes:
        cpu_s: user and system time, of itself and of children waited for.
    """

    pid: int
    parent: int
    name: str
    cpu_s: float


def parse_stat(text: str) -> Process:
    """One ``/proc/PID/stat``; a name may hold blanks and parentheses."""
    pid, _, rest = text.partition(" (")
    name, _, fields = rest.rpartition(") ")
    words = fields.split(" ")
    ticks = sum(int(words[i]) for i in range(11, 15))
    return Process(int(pid), int(words[1]), name, ticks / _TICKS_PER_S)


def all_processes() -> dict[int, Process]:
    """Every process of this machine, by pid."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                process = parse_stat(Path("/proc", entry, "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended since the listing
            found[process.pid] = process
    return found


def tree(root: int, among: dict[int, Process] | None = None) -> list[Process]:
    """A process and all below it; empty where it has ended."""
    among = all_processes() if among is None else among
    children: dict[int, list[int]] = {}
    for process in among.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, waiting = [], [root] if root in among else []
    while waiting:
        pid = waiting.pop()
        found.append(among[pid])
        waiting.extend(children.get(pid, ()))
    return found


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Processor time so far, of some trees and of the kernel's threads."""

    tree_s: float
    kernel_s: float


def cpu_time(*roots: int) -> CpuTime:
    """Of these trees, none of which is in another, and of all kernel threads together."""
    processes = all_processes()
    kernel_s = sum(p.cpu_s for p in processes.values() if p.parent == _KTHREADD)
    tree_s = sum(p.cpu_s for root in roots for p in tree(root, processes))
    return CpuTime(tree_s, kernel_s)


def settled_cpu_time(*roots: int) -> CpuTime:
    """The same, once the trees have come to rest: what a run leaves behind is its cost, too.

    What does not rest is taken as it is after three seconds.
    """
    deadline_s = time.monotonic() + _SETTLE_DEADLINE_S
    before = cpu_time(*roots)
    while True:
        time.sleep(_SETTLE_STEP_S)
        after = cpu_time(*roots)
        grown_s = after.tree_s - before.tree_s
        # less than before: one ended between two looks, and was counted in neither
        if 0 <= grown_s < 1.5 / _TICKS_PER_S or time.monotonic() > deadline_s:
            return after
        before = after


def arguments(pid: int) -> list[str]:
    """The command line of a process; empty where it has ended."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [part.decode("utf-8", "replace") for part in raw.split(b"\0") if part]


def rollup_bytes(pid: int) -> dict[str, int]:
    """The fields of ``smaps_rollup``, such as ``Pss`` and ``Private_Dirty``, in bytes.

    Source: proc_pid_smaps_rollup(5), Linux 4.14.

    Raises:
        PermissionError: the process is not ours to look into.
        FileNotFoundError, ProcessLookupError: it has ended.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split() for line in lines)
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in pairs if words[-1] == "kB"}


def private_bytes(pid: int) -> int:
    """Memory that only this process has: its unique set size; raises as ``rollup_bytes``."""
    fields = rollup_bytes(pid)
    return fields["Private_Clean"] + fields["Private_Dirty"]


def resident_bytes(pid: int) -> int:
    """The resident set size; raises ``FileNotFoundError`` where the process has ended."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
