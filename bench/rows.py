"""Lines of the table: what was measured, the goal, and whether it was met.

Owns goals and rows; refuses to measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.statistics import Series


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a number is to keep.

    Attributes:
        direction: ``most`` or ``least``: which side is good.
        value: the bound, itself allowed.
        unit: ``×`` for a ratio to the reference.
    """

    direction: Literal["most", "least"]
    value: float
    unit: str = "×"

    def met_by(self, value: float) -> bool:
        """Whether a number keeps the bound."""
        return value <= self.value if self.direction == "most" else value >= self.value

    def halved(self) -> "Goal":
        """Half as ambitious: what a noisy machine must reach as well."""
        factor = 2.0 if self.direction == "most" else 0.5
        return Goal(self.direction, self.value * factor, self.unit)

    def text(self) -> str:
        """For a table: ``≤ 0.40 ×``."""
        sign = "≤" if self.direction == "most" else "≥"
        digits = 2 if self.value < 2 else 1
        number = f"{self.value:.{digits}f}" if self.value % 1 else f"{self.value:.0f}"
        return f"{sign} {number} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        label: what was measured.
        measured, reference, ratio: as text; empty where there is none.
        value: what is judged by the goal; ``None``: it could not be had.
        goal: ``None``: there is none, the line only informs.
        why: where it could not be had, or what a reader should know.
        series: contenders measured for it.
        facts: further columns, as text, of a table that the case has to itself.
        details: further numbers, for the JSON.
        failed: a contender broke or answered wrongly; ``why`` says how.
    """

    label: str
    measured: str = ""
    reference: str = ""
    ratio: str = ""
    value: float | None = None
    goal: Goal | None = None
    why: str = ""
    series: tuple[Series, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)
    failed: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether the goal was met; ``None`` where there is none."""
        if self.goal is None:
            return None
        return self.value is not None and self.goal.met_by(self.value)

    @property
    def verdict(self) -> str:
        """``pass``, ``miss``, ``FAILED``, ``not measured``, ``not had`` or nothing."""
        if self.failed:
            return "FAILED"
        if self.goal is None:
            return "" if self.measured or self.reference else "not had"
        if self.value is None:
            return "not measured"
        return "pass" if self.passed else "miss"

    def as_json(self, processors: int) -> dict[str, object]:
        """For the result file."""
        return {
            "label": self.label,
            "measured": self.measured,
            "reference": self.reference,
            "ratio": self.ratio,
            "value": self.value,
            "goal": self.goal.text() if self.goal else None,
            "verdict": self.verdict,
            "why": self.why,
            "series": [s.as_json(processors) for s in self.series],
            "facts": dict(self.facts),
            **self.details,
        }
