"""All owners at once, and what is asked of that.

Owns one phase from its first client to the rest after it, and its rows; refuses to begin
the next one before the service rests. Where a number of clients waits on so few processors, time
is the queue's: it is judged at a hundred clients, and told at more.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import StatisticsError

from bench.account import cpu_time
from bench.load.client import Client, started
from bench.load.owners import Owned
from bench.load.plan import Plan, mixed_plan
from bench.load.tally import Tally
from bench.load.vitals import PARTS, Vitals, Watch, growth_per_1000, parts_of
from bench.rest import REST_DEADLINE_S, still_open, until_rest
from bench.rows import Goal, Row
from bench.statistics import percentile

NONE = Goal("most", 0, "of them")
SHORT_GOAL = Goal("most", 2.0, "s")
# a reference that is kept of each execution is more than this; noise is less, in minutes
GROWTH_GOAL = Goal("most", 256, "KB")
JUDGED_CLIENTS = 100
JUDGED_S = 60.0  # in less, what is kept still grows, and noise is more than a leak
_ANSWER_S = 150.0  # beyond the end of a phase, for who has begun by then


@dataclass(frozen=True, slots=True)
class Phase:
    """What came of one.

    Attributes:
        cpu_s: processor time of the service and its cells.
        client_cpu_s: that of all clients.
        open: what the service still had open when all clients had left and it was given time to
            rest; empty: nothing.
        steady: gateway and engine are the processes that they were.
    """

    clients: int
    seconds: float
    tally: Tally
    seen: list[Vitals]
    cpu_s: float
    client_cpu_s: float
    open: Mapping[str, int]
    steady: bool

    @property
    def failures(self) -> int:
        """How often the platform failed."""
        return self.tally.broken + (not self.steady)

    def right_rows(self, label: str) -> Iterator[Row]:
        """Of the table: whether everything was as it must be."""
        tally, quoted = self.tally, "; ".join(self.tally.quoted)
        yield count_row(f"{label}: failures of the platform", self.failures, quoted)
        yield count_row(f"{label}: wrong answers", tally.wrong, quoted)
        yield count_row(f"{label}: refusals without Retry-After", tally.untold)
        told = ", ".join(f"{name} {value}" for name, value in self.open.items())
        yield count_row(f"{label}: open when all have left", len(self.open), told)

    def rows(self) -> Iterator[Row]:
        """Of the table: that, time and memory."""
        label = f"{self.clients} clients"
        yield from self.right_rows(label)
        yield self._time_row(label)
        yield Row(f"{label}: as a whole", facts=self._facts(), measured=f"{self.seconds:.0f} s")
        for part in PARTS:
            judged = self.seconds >= JUDGED_S
            yield growth_row(label, self.seen, part, GROWTH_GOAL if judged else None)

    def _time_row(self, label: str) -> Row:
        goal = SHORT_GOAL if self.clients <= JUDGED_CLIENTS else None
        label = f"{label}: short programs, mean"
        if not self.tally.short_s:
            return Row(label, goal=goal, why="no short program was answered")
        mean_s = sum(self.tally.short_s) / len(self.tally.short_s)
        return Row(label, measured=f"{mean_s:.2f} s", value=mean_s, goal=goal)

    def _facts(self) -> dict[str, str]:
        tally = self.tally
        refused = ", ".join(f"{n} × {status}" for status, n in sorted(tally.refused.items()))
        return {
            "executions": f"{tally.executions:,}",
            "per second": f"{tally.executions / self.seconds:.1f}",
            "CPU ms each": f"{1000 * self.cpu_s / max(1, tally.executions):.1f}",
            "clients' CPU": f"{self.client_cpu_s / self.seconds:.0%}",
            "cancelled": str(tally.cancelled),
            "vanished": str(tally.vanished),
            "refused": refused or "none",
            "short, p95": f"{percentile(tally.short_s, 0.95):.2f} s" if tally.short_s else "",
            **{
                part: f"{size_bytes / 1e6:.1f} MB"
                for part, size_bytes in self.seen[-1].resident_bytes.items()
            },
        }


def growth_row(label: str, seen: Sequence[Vitals], part: str, goal: Goal | None) -> Row:
    """Of the table: how the memory of a part grows."""
    label = f"{label}: memory of the {part}, for 1,000 executions"
    try:
        grown_kb = growth_per_1000(seen, part) / 1000
    except StatisticsError:
        return Row(label, goal=goal, why="too little was seen")
    return Row(
        label,
        measured=f"{grown_kb:+.0f} KB",
        value=grown_kb,
        goal=goal,
        details={"seen": [[v.executions, v.resident_bytes[part]] for v in seen]},
    )


def count_row(label: str, value: int, why: str = "") -> Row:
    """Of the table: how many there were of what there must be none of."""
    return Row(label, measured=str(value), value=float(value), goal=NONE, why=why if value else "")


def left_row(label: str, left: Sequence[str]) -> Row:
    """Of the table: what is still there after the service has ended."""
    return count_row(f"{label}: left behind by the service", len(left), "; ".join(left))


def mixed_phase(owned: Owned, clients: int, seconds: float, seed: int = 1) -> Phase:
    """So many clients of all owners, everything mixed; from rest to rest.

    Raises:
        BenchFailed: the service is not there, or does not come to rest.
    """
    plan = mixed_plan(seed, owned.languages())
    owners = list(owned.keys)
    return run_phase(owned, [(owners[n % len(owners)], plan) for n in range(clients)], seconds)


def run_phase(owned: Owned, clients: list[tuple[str, Plan]], seconds: float) -> Phase:
    """The same, each client with an owner and a plan of its own."""
    service, tally = owned.service, Tally()
    parts = parts_of(service)
    until_s = time.monotonic() + seconds
    began_s, before = time.monotonic(), (cpu_time(*service.accounts), time.process_time())
    with Watch(parts, lambda: tally.executions) as watch:
        working = started(
            [
                Client(number, owner, owned.visitor(owner), plan, tally, until_s)
                for number, (owner, plan) in enumerate(clients)
            ]
        )
        for thread in working:
            thread.join(max(0.0, until_s + _ANSWER_S - time.monotonic()))
        took_s = time.monotonic() - began_s
    for _ in filter(lambda thread: thread.is_alive(), working):
        tally.was_broken("a client is not answered")
    left = still_open(service, REST_DEADLINE_S)
    until_rest(service)
    steady = parts == parts_of(service)
    used_s = cpu_time(*service.accounts).accounts_s - before[0].accounts_s
    client_s = time.process_time() - before[1]
    return Phase(len(clients), took_s, tally, watch.seen, used_s, client_s, left, steady)
