"""Cells inside a long-lived container beside cells behind bubblewrap."""

from collections.abc import Iterable

from bench.case import Bench, Case
from bench.cases.hello import ASK
from bench.containers import containers
from bench.rounds import latency_ratio_row, take_turns, throughput_ratio_row
from bench.rows import Goal, Row
from bench.vibecell_service import running

TITLE = "Python hello, docker shared, against bubblewrap shared"


def measure(bench: Bench) -> Iterable[Row]:
    """Both services take turns, with one client and with a hundred."""
    with (
        containers(bench) as engine,
        engine.service(bench, "shared") as ours,
        running(bench) as theirs,
    ):
        alone = take_turns(bench, [ours, theirs], [ASK], clients=1)
        many = take_turns(bench, [ours, theirs], [ASK], clients=100)
    name, base = ours.name, theirs.name
    label = f"{TITLE}, 1 client, p50"
    yield latency_ratio_row(label, alone[name], alone[base], Goal("most", 1.3))
    label = f"{TITLE}, 100 clients, throughput"
    yield throughput_ratio_row(label, many[name], many[base], Goal("least", 0.7))


CASE = Case("docker_shared", 130, TITLE, measure)
