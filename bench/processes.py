"""Processor time and memory of processes, read from /proc.

Owns the trees of processes, and what is read of one; refuses to add anything up over
time (``account.py``).

Theory of operation: the kernel adds the time of a child that was waited for
to its parent's ``cutime`` and ``cstime``. The sum of all four fields over the
living of a tree is therefore the time of the whole tree, ended processes
included, as long as every one was waited for. Not counted: a child whose
parent ignores SIGCHLD.

Source: proc_pid_stat(5), fields 14 to 17; wait(2), "Notes".
"""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
