"""Sampling what the cell's processes use, for hosts without cgroups.

Owns the sums over /proc; refuses to act: the agent does. A sample sees a
process only while it lives, so a limit may be passed for one interval; that is
the price of a host that grants no cgroup, and ``vibecell doctor`` says so.

Source: proc(5): /proc/pid/stat, /proc/pid/statm, /proc/pid/smaps_rollup
"""

import os
from dataclasses import dataclass

import mounts

INTERVAL_MS = 25
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """Sums over every process of the cell but the agent."""

    memory_bytes: int
    cpu_time_ms: float
    processes: int


def sample() -> Sample:
    """Look at every process once."""
    memory = mounts.used_bytes()
    ticks = 0
    threads = 0
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == "1":
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                # the name in parentheses may hold anything: read behind it
                fields = stat.read().rpartition(b")")[2].split()
            memory += _proportional_bytes(name)
        except OSError:
            continue
        ticks += sum(int(x) for x in fields[11:15])
        threads += int(fields[17])
    return Sample(memory, ticks * _TICK_MS, threads)


def _proportional_bytes(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
            for line in rollup:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not dumpable: counted whole instead
    with open(f"/proc/{pid}/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE
