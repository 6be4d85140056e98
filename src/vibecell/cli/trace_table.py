"""From moments to a table of stages.

Owns which stage lies between which two moments and the arithmetic over many
requests; refuses to measure. The stages of a request cover its whole time without
a gap: each begins where the one before it ended, so their sum is the total. A
moment that did not come (a program without output) makes its stage a part of the
next one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from vibecell.model.marks import Moment

Marks = Mapping[Moment, int]

#: The moment a stage ends with, who works in it, and what is done. The first moment is ``sent``.
PATH: tuple[tuple[Moment, str, str], ...] = (
    ("request", "link", "client → gateway: first byte"),
    ("body", "gateway", "header and body read and parsed"),
    ("checked", "gateway", "request checked: fields, limits, quota"),
    ("call", "link", "call written, gateway → engine, read"),
    ("admitted", "engine", "decoded, planned, admitted"),
    ("running", "engine", "its turn"),
    ("cell", "engine", "a cell taken from the pool"),
    ("start", "engine", "START made and written"),
    ("started", "cell", "START written → STARTED heard"),
    ("output", "cell", "STARTED → first output heard"),
    ("exit", "cell", "first output → EXIT heard"),
    ("collected", "cell", "EXIT → files collected"),
    ("result", "engine", "result built"),
    ("told", "engine", "connection woken to tell the result"),
    ("heard", "link", "written, engine → gateway, read, decoded"),
    ("encoded", "gateway", "answer made"),
    ("received", "link", "written, gateway → client, read"),
)
OFF_PATH: tuple[tuple[Moment, Moment, str, str], ...] = (
    ("fork_asked", "hello", "engine, zygote, cell", "a warm cell made: fork asked → HELLO"),
    ("destroying", "destroyed", "engine, kernel", "a cell destroyed"),
)
_NS_PER_US = 1000
_FIRST: Moment = "sent"


@dataclass(frozen=True, slots=True)
class Row:
    """One stage over all requests.

    Attributes:
        where: the process that is busy in it.
        share: of the time of all requests together; ``None`` off the path.
    """

    stage: str
    where: str
    p50_us: float
    p95_us: float
    share: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """What many traced requests come to.

    Attributes:
        count: requests.
        path: in order; what none of the requests went through is left out.
        total: as the client saw it.
        off_path: done before or behind a request.
    """

    count: int
    path: tuple[Row, ...]
    total: Row
    off_path: tuple[Row, ...]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)

    def lines(self) -> Iterable[str]:
        """For people."""
        width = max(len(row.stage) for row in (*self.path, *self.off_path))
        head = f"{'stage':{width}}  {'where':8}  {'p50 µs':>9}  {'p95 µs':>9}  {'share':>6}"
        yield head
        yield "-" * len(head)
        yield from (_line(row, width) for row in self.path)
        yield "-" * len(head)
        yield _line(self.total, width)
        if self.off_path:
            yield ""
            yield "off the path (of the same cells)"
            yield from (_line(row, width) for row in self.off_path)


def _line(row: Row, width: int) -> str:
    share = "" if row.share is None else f"{row.share:6.1%}"
    where = row.where if row.share is not None else ""
    return f"{row.stage:{width}}  {where:8}  {row.p50_us:9,.0f}  {row.p95_us:9,.0f}  {share:>6}"


def durations_us(marks: Marks) -> dict[Moment, float]:
    """How long each stage of one request took, by the moment it ends with."""
    found: dict[Moment, float] = {}
    at_ns = marks[_FIRST]
    for moment, _, _ in PATH:
        next_ns = marks.get(moment)
        if next_ns is not None:
            found[moment] = (next_ns - at_ns) / _NS_PER_US
            at_ns = next_ns
    return found


def make_table(traces: Sequence[Marks]) -> Table:
    """The table of at least one request, each with ``sent`` and ``received``."""
    stages = [durations_us(marks) for marks in traces]
    totals = [(m["received"] - m[_FIRST]) / _NS_PER_US for m in traces]
    whole = sum(totals)
    path = []
    for moment, where, what in PATH:
        took = [stage[moment] for stage in stages if moment in stage]
        if took:
            path.append(_row(what, where, took, sum(took) / whole))
    off_path = []
    for first, last, where, what in OFF_PATH:
        took = [(m[last] - m[first]) / _NS_PER_US for m in traces if first in m and last in m]
        if took:
            off_path.append(_row(what, where, took, None))
    total = _row("total, as the client saw it", "", totals, 1.0)
    return Table(len(traces), tuple(path), total, tuple(off_path))


def _row(stage: str, where: str, took: Sequence[float], share: float | None) -> Row:
    ordered = sorted(took)
    return Row(stage, where, _quantile(ordered, 0.50), _quantile(ordered, 0.95), share)


def _quantile(ordered: Sequence[float], part: float) -> float:
    """The nearest rank: a value that was measured."""
    return ordered[math.ceil(part * len(ordered)) - 1]
