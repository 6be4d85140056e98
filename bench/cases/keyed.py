"""Keys, limits and sharing on, against off: what they cost a run.

One checkout, started twice, in turns. Off is a person's own machine: no key, and everybody is one
owner. On, every request shows a key, and the load comes of twenty owners; each has
limits of every kind, so wide that none refuses.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from bench.case import Bench, Case
from bench.cases import hello, hello_100
from bench.load.owners import served_to
from bench.rounds import latency_ratio_row, take_turns, throughput_ratio_row
from bench.rows import Goal, Row
from bench.vibecell_service import running

TITLE = "keys, limits and sharing, on against off"
OWNERS = tuple(f"owner-{number}" for number in range(1, 21))
CLIENTS = 100
NOT_SLOWER = Goal("most", 1.10)
NOT_FEWER = Goal("least", 0.90)


def measure(bench: Bench) -> Iterator[Row]:
    """The smallest program, by one client and by a hundred."""
    with ExitStack() as stack:
        off = replace(stack.enter_context(running(bench)), name="off")
        owned = stack.enter_context(served_to(bench, OWNERS))
        on = replace(owned.service, name="on", owners=owned.fields())
        found = take_turns(bench, [off, on], [hello.ASK], clients=1)
        label = f"{hello.TITLE}, with keys"
        yield latency_ratio_row(label, found["on"], found["off"], NOT_SLOWER)
        found = take_turns(bench, [off, on], [hello.ASK], clients=CLIENTS)
        label = f"{hello_100.TITLE}, with keys"
        yield throughput_ratio_row(label, found["on"], found["off"], NOT_FEWER)


CASE = Case("keyed", 95, TITLE, measure)
