"""The smallest program in JavaScript, against ``node -e``."""

from collections.abc import Iterable

from bench.case import Bench, Case
from bench.drive import TOKEN, hello
from bench.rounds import latency_row
from bench.rows import Goal, Row

TITLE = "JavaScript hello, 1 client, p50 (reference: `node -e`)"
ASK = hello(f"console.log('hello {TOKEN}')", "javascript")
GOAL = Goal("most", 0.40)


def measure(bench: Bench) -> Iterable[Row]:
    """Needs Node.js on the host; raises ``NotHad`` without."""
    bench.program("node")
    return [latency_row(bench, TITLE, ASK, GOAL)]


CASE = Case("javascript", 50, TITLE, measure)
