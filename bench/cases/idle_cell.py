"""What a warm cell costs while nobody uses it.

A cell is the processes of one pid namespace below the engine's walls: the
agent and the runner that waits. The proportional set size divides what is
shared with the zygote and with other cells among all that share it, so the
number depends on how many there are; that is said beside it. Memory of the
kernel (page tables, namespaces, mounts) is not in it.

Source: proc_pid_smaps_rollup(5); pid_namespaces(7).
"""

import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from bench import processes
from bench.case import Bench, BenchFailed, Case
from bench.rows import Goal, Row
from bench.vibecell_service import running

TITLE = "idle warm cell, proportional set size, light profile"
GOAL = Goal("most", 6, "MB")
_FILL_DEADLINE_S = 20.0


def measure(bench: Bench) -> Iterable[Row]:
    """All idle cells of a service that has just filled its pools."""
    with running(bench) as service:
        try:
            found = _settled_cells(service.part("engine"))
        except PermissionError:
            yield Row(TITLE, goal=GOAL, why="cells may only be measured as root")
            return
    if not found:
        raise BenchFailed("the service keeps no warm cell")
    if "light" not in found:
        # an interpreter may have all modules of the light profile compiled in
        yield Row(
            TITLE, goal=GOAL, why="cells of this profile cannot be told from shell cells here"
        )
    for profile, sizes in sorted(found.items(), key=lambda item: item[0] != "light"):
        mb = statistics.median(sizes) / 1e6
        yield Row(
            TITLE if profile == "light" else f"the same, {profile} profile",
            measured=f"{mb:.1f} MB",
            value=mb,
            goal=GOAL if profile == "light" else None,
            why=f"{len(sizes)} of them" if profile == "light" else "",
            details={"cells": len(sizes), "pss_bytes": sizes},
        )


def _settled_cells(engine: int) -> dict[str, list[int]]:
    """Cells' sizes by profile, once two looks a second apart find the same cells."""
    deadline_s = time.monotonic() + _FILL_DEADLINE_S
    before: set[str] = set()
    while True:
        cells = cells_below(engine)
        if (cells and set(cells) == before) or time.monotonic() > deadline_s:
            break
        before = set(cells)
        time.sleep(1.0)
    found: dict[str, list[int]] = {}
    for pids in cells.values():
        size = sum(processes.rollup_bytes(pid)["Pss"] for pid in pids)
        found.setdefault(profile_of(pids), []).append(size)
    return found


def cells_below(engine: int) -> dict[str, list[int]]:
    """The pids of each cell, by its pid namespace.

    A wall's namespace is one that another namespace has been made from; what
    has none below it is a cell.
    """
    own = os.readlink("/proc/self/ns/pid")
    by_namespace: dict[str, list[int]] = {}
    outer: set[str] = {own}
    namespace_of = {}
    members = processes.tree(engine)
    for process in members:
        namespace_of[process.pid] = os.readlink(f"/proc/{process.pid}/ns/pid")
        by_namespace.setdefault(namespace_of[process.pid], []).append(process.pid)
    for process in members:
        above = namespace_of.get(process.parent)
        if above is not None and above != namespace_of[process.pid]:
            outer.add(above)
    return {name: pids for name, pids in by_namespace.items() if name not in outer}


def profile_of(pids: list[int]) -> str:
    """Which warm profile a cell is of, by what its processes have mapped.

    Each has modules that the one before has not: shell programs none at all,
    the light profile datetime, the library profile asyncio.
    """
    maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids)
    if "/numpy" in maps:
        return "data"
    executables = {os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in pids}
    if "node" in executables:
        return "node"
    if "/_asyncio." in maps:
        return "library"
    return "light" if "/_datetime." in maps else "shell"


CASE = Case("idle_cell", 100, TITLE, measure)
