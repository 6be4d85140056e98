"""What each kind of wall costs: a warm run, an unprepared one, the work, the memory.

All have two cells waiting for each profile and no more, so that pools of one size are
compared. *Warm*: every request comes after a pause in which the pool fills again. *Nothing
waits*: the same with pools of no cells, where each request has its cell made for it; what it
takes longer is the making of a cell. *Work* is all processor time of eight clients without
a pause, that of the Docker engine included. *Memory* is what an idle cell has to itself: its
own processes, and where walls are fresh, those of its wall and zygote, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from bench import processes
from bench.case import Bench, Case, NotHad
from bench.cases.docker_fresh import warm_request_ms
from bench.cases.hello import ASK
from bench.cases.idle_cell import cells_below, profile_of
from bench.containers import Containers, containers
from bench.rest import until_rest
from bench.rounds import take_turns
from bench.rows import Row
from bench.statistics import Series, Spread, percentile, ratios
from bench.vibecell_service import VibecellContender, running
from vibecell.model.capabilities import Wall

TITLE = "Python hello, warm, 1 client, p50"
CLIENTS = 8
PROFILE = "python-light"
_WAITING = {"pool_min_idle": "2", "pool_max_idle": "2"}
_NOTHING = {"pool_min_idle": "0", "pool_max_idle": "0"}
_SIDES: Sequence[Wall] = ("shared", "fresh")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found of one wall."""

    warm_ms: Sequence[float]
    load: Series
    idle_bytes: int | None


def measure(bench: Bench) -> Iterable[Row]:
    """All walls take turns; containers where this host can have them."""
    with ExitStack() as stack:
        engine: Containers | None = None
        lacking = ""
        try:
            engine = stack.enter_context(containers(bench))
        except NotHad as error:
            lacking = str(error)
        found = _with_cells_waiting(bench, engine)
        unprepared_ms = _nothing_waiting(bench, engine)
    base = next(iter(found.values()))
    for name, wall in found.items():
        yield _row(name, wall, unprepared_ms[name], base)
    if engine is None:
        for side in _SIDES:
            yield Row(f"docker {side}: {TITLE}", why=f"not had: {lacking}")


@contextmanager
def _services(
    bench: Bench, engine: Containers | None, settings: Mapping[str, str]
) -> Iterator[list[VibecellContender]]:
    """One service for each kind of wall, each at rest before the next is started."""
    with ExitStack() as stack:
        services = []
        for side in _SIDES:
            service = stack.enter_context(running(bench, wall=side, **settings))
            services.append(replace(service, name=f"bubblewrap {side}"))
        if engine is not None:
            for side in _SIDES:
                services.append(stack.enter_context(engine.service(bench, side, **settings)))
        for service in services:
            until_rest(service)
        yield services


def _with_cells_waiting(bench: Bench, engine: Containers | None) -> dict[str, Measured]:
    with _services(bench, engine, _WAITING) as services:
        idle = {service.name: _idle_bytes(service, engine) for service in services}
        warm = _turns_ms(bench, services)
        load = take_turns(bench, services, [ASK], CLIENTS)
    return {
        service.name: Measured(warm[service.name], load[service.name], idle[service.name])
        for service in services
    }


def _nothing_waiting(bench: Bench, engine: Containers | None) -> dict[str, Sequence[float]]:
    with _services(bench, engine, _NOTHING) as services:
        return _turns_ms(bench, services)


def _turns_ms(bench: Bench, services: Sequence[VibecellContender]) -> dict[str, Sequence[float]]:
    """The median latency of each round, by the service's name."""
    requests = 2 if bench.quick else 8
    found: dict[str, list[float]] = {service.name: [] for service in services}
    for service in services:
        warm_request_ms(service)
    for _ in range(bench.rounds):
        for service in services:
            turn = [warm_request_ms(service)[0] for _ in range(requests)]
            found[service.name].append(percentile(turn, 0.5))
    bench.say(", ".join(f"{name} {Spread.of(all_ms).text('ms')}" for name, all_ms in found.items()))
    return dict(found)


def _idle_bytes(service: VibecellContender, engine: Containers | None) -> int | None:
    """Proportional set size of an idle cell of the light profile; ``None``: not to be told."""
    part = service.part("engine")
    is_fresh = service.name.endswith("fresh")
    if not service.helpers or engine is None:
        cells = {
            pids[0]: pids for pids in cells_below(part).values() if profile_of(pids) == "light"
        }
        return _middle([_wall_of(cell, part) if is_fresh else pids for cell, pids in cells.items()])
    shims = {_parent(first) for first in engine.processes_of(PROFILE).values()}
    found = {shim: list(cells_below(shim).values()) for shim in shims}
    # the other service's containers are there, too: a shared one holds both its cells
    wanted = {shim: cells for shim, cells in found.items() if (len(cells) == 1) == is_fresh}
    if is_fresh:
        return _middle([[p.pid for p in processes.tree(shim)] for shim in wanted])
    return _middle([pids for cells in wanted.values() for pids in cells])


def _parent(pid: int) -> int:
    return processes.all_processes()[pid].parent


def _wall_of(pid: int, above: int) -> list[int]:
    """All processes of the wall that a process is behind: the one right below ``above``."""
    among = processes.all_processes()
    while among[pid].parent != above:
        pid = among[pid].parent
    return [process.pid for process in processes.tree(pid, among)]


def _middle(sets: Sequence[Sequence[int]]) -> int | None:
    sizes = sorted(sum(processes.rollup_bytes(pid)["Pss"] for pid in pids) for pids in sets)
    return sizes[len(sizes) // 2] if sizes else None


def _row(name: str, wall: Measured, unprepared_ms: Sequence[float], base: Measured) -> Row:
    making = [later - warm for later, warm in zip(unprepared_ms, wall.warm_ms, strict=True)]
    idle = f"{wall.idle_bytes / 1e6:.1f} MB" if wall.idle_bytes is not None else "not to be told"
    return Row(
        f"{name}: {TITLE}",
        measured=Spread.of(wall.warm_ms).text("ms"),
        reference=Spread.of(base.warm_ms).text("ms") if wall is not base else "",
        ratio=ratios(wall.warm_ms, base.warm_ms).text("×", 2) if wall is not base else "",
        series=(wall.load,),
        facts={
            "warm": Spread.of(wall.warm_ms).text("ms"),
            "nothing waits": Spread.of(unprepared_ms).text("ms"),
            "making a cell": Spread.of(making).text("ms"),
            f"runs of {CLIENTS} clients": wall.load.per_s.text("/s"),
            "work of a run": wall.load.cpu_ms_per_run.text("ms"),
            "an idle cell": idle,
        },
        details={
            "warm_ms": list(wall.warm_ms),
            "unprepared_ms": list(unprepared_ms),
            "idle_cell_bytes": wall.idle_bytes,
        },
    )


CASE = Case("walls", 160, "what each kind of wall costs", measure)
