"""What each client does next: which program, through which door, and whether it stays.

Owns the mix, drawn anew for each step and always the same for one seed; refuses to do any
of it. Reproducible: what a client does depends on its number and its step alone.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.load.programs import PROGRAMS, Body, Expected, Program

Way = Literal["stay", "cancel", "vanish"]
DOORS = ("execute", "poll", "websocket", "events")
# of those there is no id to cancel by before the answer
_CANCELLING = tuple(door for door in DOORS if door != "execute")
CANCELLING, VANISHING = 0.10, 0.05
_PRIORITIES = (0, 0, 0, -10, 10)
_MOST_PATIENCE_S = 0.3
_STEPS_EACH = 1_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One run that a client asks for.

    Attributes:
        number: given to no other run; the program computes with it.
        door: by which it comes in, one of ``DOORS``.
        after_s: how long it waits before it cancels or vanishes.
        priority: among its owner's.
    """

    number: int
    program: Program
    door: str
    way: Way = "stay"
    after_s: float = 0.0
    priority: int = 0

    def asked(self) -> tuple[Body, Expected]:
        """The request, and what must come of it."""
        body, expected = self.program.of(self.number)
        return {**body, "priority": self.priority}, expected


Plan = Callable[[int, int], Step]


def mixed_plan(seed: int, languages: Sequence[str]) -> Plan:
    """Everything there is, one in ten cancelled, one in twenty left without a word.

    Args:
        languages: that the service has; programs in others are left out.

    Returns:
        what the step of a client is, by the numbers of both.
    """
    programs = [program for program in PROGRAMS if program.language in languages]
    weights = [program.weight for program in programs]

    def step_of(client: int, step: int) -> Step:
        drawn = random.Random(f"{seed}/{client}/{step}")
        program = drawn.choices(programs, weights)[0]
        lot = drawn.random()
        way: Way = "stay"
        if lot < CANCELLING:
            way = "cancel"
        elif lot < CANCELLING + VANISHING:
            way = "vanish"
        door = drawn.choice(_CANCELLING if way == "cancel" else DOORS)
        return Step(number_of(client, step), program, door, way, drawn.uniform(0, _MOST_PATIENCE_S))

    return step_of


def always(program: Program) -> Plan:
    """One program, again and again, by ``POST /execute``."""
    return lambda client, step: Step(number_of(client, step), program, "execute")


def number_of(client: int, step: int) -> int:
    """A number of its own for each step of each client."""
    return client * _STEPS_EACH + step + 1
