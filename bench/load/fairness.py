"""Equal owners, one that floods and one that only sleeps: who gets how much.

Owns the scene and the index of it; refuses to count what came after its time. Equal are
all who run the same program and always have one waiting: the flooder, too, has no right to
more than each of the others, however much it asks for. First come, first served gives it as many
times as much as it asks, and an index of about a third.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.load.owners import Owned
from bench.load.phases import Phase, run_phase
from bench.load.plan import Plan, always
from bench.load.programs import Program, busy, sleeper
from bench.rows import Goal, Row
from bench.statistics import jain_index

GOAL = Goal("least", 0.95, "of 1")
EQUAL = tuple(f"equal-{number}" for number in range(1, 9))
FLOODER, SLEEPER = "flooder", "sleeper"
OWNERS = (*EQUAL, FLOODER, SLEEPER)
CLIENTS_EACH = 4
FLOOD = 10  # times as many
_BUSY = Program("busy", 1, busy, short=False)
_SLEEPER = Program("sleeper", 1, sleeper, short=False)


@dataclass(frozen=True, slots=True)
class Shares:
    """What came of the scene.

    Attributes:
        phase: the whole of it.
        completed: programs of each owner that were answered.
    """

    phase: Phase
    completed: Mapping[str, int]

    @property
    def among_equal(self) -> float:
        """The index of the equal owners alone."""
        return jain_index([self.completed.get(owner, 0) for owner in EQUAL])

    @property
    def with_flooder(self) -> float:
        """The index of the equal owners and the one that asks for more."""
        return jain_index([self.completed.get(owner, 0) for owner in (*EQUAL, FLOODER)])

    def rows(self) -> Iterator[Row]:
        """Of the table."""
        facts = {owner: str(self.completed.get(owner, 0)) for owner in OWNERS}
        yield _row("among equal owners", self.among_equal, facts)
        yield _row("the one that floods among them", self.with_flooder, {})
        yield from self.phase.right_rows("fairness")


def _row(label: str, index: float, facts: Mapping[str, str]) -> Row:
    label = f"fairness: Jain's index, {label}"
    return Row(label, measured=f"{index:.3f}", value=index, goal=GOAL, facts=facts)


def clients() -> list[tuple[str, Plan]]:
    """Each client's owner, and what it does."""
    wanted = dict.fromkeys(OWNERS, CLIENTS_EACH) | {FLOODER: FLOOD * CLIENTS_EACH}
    return [
        (owner, always(_SLEEPER if owner == SLEEPER else _BUSY))
        for owner, count in wanted.items()
        for _ in range(count)
    ]


def fairness(owned: Owned, seconds: float) -> Shares:
    """So long, all of ``OWNERS`` at once.

    Raises:
        BenchFailed: the service is not there, or does not come to rest.
    """
    phase = run_phase(owned, clients(), seconds)
    return Shares(phase, phase.tally.by_owner)
