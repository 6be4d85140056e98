"""This checkout beside another one, in turns: what a change costs, or spares.

Owns what is compared and the rows of it; refuses to compare what ran at different times.
Each has an image of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.case import Bench, BenchFailed
from bench.cases import data, hello, hello_100, idle_sockets, javascript, output
from bench.drive import Ask
from bench.rounds import latency_ratio_row, take_turns, throughput_ratio_row
from bench.rows import Goal, Row
from bench.statistics import Spread, ratios
from bench.vibecell_service import VibecellContender, running

TOLERANCE = 0.10
COMPARED = ("hello", "hello_100", "data", "javascript", "output", "idle_sockets")
_NOT_SLOWER = Goal("most", 1 + TOLERANCE)
_NOT_FEWER = Goal("least", 1 - TOLERANCE)


def checked(checkout: Path) -> Path:
    """Another checkout, as an absolute path.

    Raises:
        BenchFailed: it is none.
    """
    if not (checkout / "src/vibecell").is_dir():
        raise BenchFailed(f"{checkout} is no checkout of Vibecell")
    return checkout.resolve()


def measure(bench: Bench, other: Path, names: tuple[str, ...] = COMPARED) -> Iterator[Row]:
    """The rows of these cases, this checkout first.

    Args:
        other: the other checkout.
        names: of ``COMPARED``.
    """
    for name in names:
        bench.say(f"--- {name}, in turns with {other}")
        yield from _COMPARISONS[name](bench, other)


def _both(
    stack: ExitStack, bench: Bench, other: Path, **settings: str
) -> tuple[VibecellContender, VibecellContender]:
    ours = stack.enter_context(running(bench, **settings))
    theirs = stack.enter_context(running(replace(bench, checkout=other), **settings))
    return replace(ours, name="this"), replace(theirs, name="other")


def _one_client(title: str, ask: Ask) -> Callable[[Bench, Path], Iterator[Row]]:
    def compared(bench: Bench, other: Path) -> Iterator[Row]:
        with ExitStack() as stack:
            ours, theirs = _both(stack, bench, other)
            found = take_turns(bench, [theirs, ours], [ask], clients=1)
            yield latency_ratio_row(title, found["this"], found["other"], _NOT_SLOWER)

    return compared


def _hello_100(bench: Bench, other: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        ours, theirs = _both(stack, bench, other)
        found = take_turns(bench, [theirs, ours], [hello.ASK], clients=100)
        yield throughput_ratio_row(hello_100.TITLE, found["this"], found["other"], _NOT_FEWER)


def _output(bench: Bench, other: Path) -> Iterator[Row]:
    size_bytes = (32 if bench.quick else 256) * output.MIB
    with ExitStack() as stack:
        ours, theirs = _both(
            stack, bench, other, ceiling__output_bytes=str(size_bytes + output.MIB)
        )
        rates: dict[str, list[float]] = {"this": [], "other": []}
        for service in (theirs, ours):
            output.one_run(service, output.MIB)
        for _ in range(bench.rounds):
            for service in (theirs, ours):
                rates[service.name].append(output.one_run(service, size_bytes))
                bench.say(f"{service.name}: {rates[service.name][-1]:.1f} MB/s")
    yield _row(output.TITLE, rates["this"], rates["other"], "MB/s", _NOT_FEWER)


def _idle_sockets(bench: Bench, other: Path) -> Iterator[Row]:
    """Both hold as many, and runs among them take turns.

    What each takes without them is not divided by: a median of few runs, taken at another
    time, would add more noise than it takes away.
    """
    count = 200 if bench.quick else 1000
    with ExitStack() as stack:
        services = _both(stack, bench, other, **idle_sockets.SETTINGS)
        for kind in idle_sockets.KINDS:
            among_ms: dict[str, list[float]] = {service.name: [] for service in services}
            with ExitStack() as holding:
                ours_kb, theirs_kb = (
                    holding.enter_context(idle_sockets.held(service, kind, count))
                    for service in services
                )
                for _ in range(bench.rounds):
                    for service in reversed(services):
                        found_ms = idle_sockets.latency_ms(service, idle_sockets.runs_of(bench))
                        among_ms[service.name].append(found_ms)
            label = idle_sockets.memory_label(kind, count)
            if ours_kb is None or theirs_kb is None:
                yield Row(label, goal=_NOT_SLOWER, why=idle_sockets.NOT_ROOT)
            else:
                yield _row(label, [ours_kb], [theirs_kb], "KB", _NOT_SLOWER)
            label = idle_sockets.latency_label(kind, count)
            yield _row(label, among_ms["this"], among_ms["other"], "ms", _NOT_SLOWER)


def _row(label: str, ours: list[float], theirs: list[float], unit: str, goal: Goal) -> Row:
    ratio = ratios(ours, theirs)
    return Row(
        label,
        measured=Spread.of(ours).text(unit),
        reference=Spread.of(theirs).text(unit),
        ratio=ratio.text("×", 2),
        value=ratio.median,
        goal=goal,
        details={"this": ours, "other": theirs},
    )


_COMPARISONS = {
    "hello": _one_client(hello.TITLE, hello.ASK),
    "hello_100": _hello_100,
    "data": _one_client(data.TITLE, data.ASK),
    "javascript": _one_client(javascript.TITLE, javascript.ASK),
    "output": _output,
    "idle_sockets": _idle_sockets,
}
