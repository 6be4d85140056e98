"""How long after a program's ``print`` the event is there, in containers and behind bubblewrap."""

from collections.abc import Iterable

from bench.case import Bench, Case
from bench.cases.first_output import one_latency_ms
from bench.containers import containers
from bench.rows import Goal, Row
from bench.statistics import Spread, percentile, ratios
from bench.vibecell_service import running

TITLE = "output event after the program's print, docker shared, against bubblewrap, p50"


def measure(bench: Bench) -> Iterable[Row]:
    """Both take turns."""
    programs = 9 if bench.quick else 30
    with (
        containers(bench) as engine,
        engine.service(bench, "shared") as ours,
        running(bench) as theirs,
    ):
        p50s: dict[str, list[float]] = {ours.name: [], theirs.name: []}
        for _ in range(bench.rounds):
            for service in (ours, theirs):
                found = [one_latency_ms(service) for _ in range(programs)]
                p50s[service.name].append(percentile(found, 0.5))
    ratio = ratios(p50s[ours.name], p50s[theirs.name])
    yield Row(
        TITLE,
        measured=Spread.of(p50s[ours.name]).text("ms", 2),
        reference=Spread.of(p50s[theirs.name]).text("ms", 2),
        ratio=ratio.text("×", 2),
        value=ratio.median,
        goal=Goal("most", 1.5),
    )


CASE = Case("docker_output", 150, TITLE, measure)
