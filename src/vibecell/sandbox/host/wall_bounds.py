"""What a wall's own processes may use: its zygote, and the agents forked from it.

A program's bounds are its cell's. These are for whoever takes a zygote: as much as the
honest one and its agents need, and no more. Owns the sums; refuses to enforce them: a
container's are the daemon's to keep, bubblewrap's are a cgroup of ours.

Processes are bounded twice. The wall's cgroup counts those that are in it; but a zygote
holds the way into the cgroups of its cells, and who is moved there is not asked for. So
the wall's users are bounded, too: wherever their processes are counted, and whoever they
are in a user namespace below, there are no more than so many. An ordinary user cannot be:
what bounds his then is that all cgroups of an engine are in one, and nobody leaves that.

Source: cgroup-v1/pids.rst, "attaching"; kernel/ucount.c, is_rlimit_overlimit(), Linux 5.14
"""

from dataclasses import dataclass

from vibecell.config import Settings
from vibecell.model.capabilities import Wall
from vibecell.model.limits import MIB

_ZYGOTE_BYTES = 512 * MIB
_BYTES_PER_CELL = 48 * MIB
_PROCESSES_PER_CELL, _OTHER_PROCESSES = 4, 8


@dataclass(frozen=True, slots=True)
class WallBounds:
    """The bounds of one wall.

    Attributes:
        memory_bytes: without swap.
        processes: processes and threads.
        with_programs: those and its cells' programs', wherever they are counted.
        user_processes: the same, of the wall's users; ``None`` where they are an ordinary
            user, who has others.
        cpus: processors' worth of time; ``None``: no bound of its own.
    """

    memory_bytes: int
    processes: int
    with_programs: int
    user_processes: int | None
    cpus: float | None


def wall_bounds(
    settings: Settings, wall: Wall, counts_programs: bool, has_users: bool
) -> WallBounds:
    """The bounds of every wall of a place.

    Args:
        settings: how many cells there may be, and what a program may ask for.
        wall: a fresh one has one cell.
        counts_programs: whether programs have cgroups of their own; where they have none,
            what they use counts here.
        has_users: whether a wall's users are nobody else's.
    """
    is_fresh = wall == "fresh"
    # who is seen to wait for input gives his place back, and is seen by his cgroup alone
    parked = settings.max_parked if counts_programs else 0
    cells = 1 if is_fresh else settings.max_concurrent + parked + settings.pool_max_idle
    programs = 0 if counts_programs else min(cells, settings.max_concurrent)
    ceiling = settings.ceiling
    processes = _PROCESSES_PER_CELL * cells + _OTHER_PROCESSES
    with_programs = processes + (programs or cells) * ceiling.processes
    return WallBounds(
        memory_bytes=_ZYGOTE_BYTES + cells * _BYTES_PER_CELL + programs * ceiling.memory_bytes,
        processes=processes + programs * ceiling.processes,
        with_programs=with_programs,
        user_processes=with_programs if has_users else None,
        cpus=settings.cell_cpus if is_fresh else None,
    )
