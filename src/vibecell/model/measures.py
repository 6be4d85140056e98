"""What can be measured, and the numbers of it as they grow.

Owns families (``Family``), the numbers of one (``Tally``), and how they are handed on
(``Measured``); refuses a label that its family has not, and more series of a family than
``MAX_SERIES``: whatever a client does, what it can add is bounded. Which families there are is
in ``families.py``; who shows them, and how, is the gateway's.

Numbers that grow with every execution are plain ones in a dictionary: nothing is locked, and
nothing is made of them before somebody asks.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]

#: Of one family. What is counted beyond has ``OTHER`` for every label.
MAX_SERIES = 1024
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Family:
    """What is measured, as Prometheus calls it.

    Attributes:
        name: without the suffix of its kind.
        help: one line for a person.
        labels: each is one fact.
        bounds: upper ones of the buckets of a histogram, in its unit, ascending.
    """

    name: str
    kind: Kind
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a family.

    Attributes:
        labels: one value for each label of the family.
        value: of a histogram: the sum of all that was observed.
        counts: of a histogram: how many fell into each bucket, and above the last bound.
    """

    labels: Labels
    value: float
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """The series of a family at one moment; ``family`` is its name."""

    family: str
    series: tuple[Series, ...]


class Tally:
    """The numbers of one family.

    Args:
        family: whose.
        known: label values that are there from the beginning, at 0: whoever asks how much a
            counter has grown does not see the first step of one that was not there before it.
    """

    __slots__ = ("_counts", "_values", "family")

    def __init__(self, family: Family, known: Iterable[Labels] = ()) -> None:
        self.family = family
        self._values: dict[Labels, float] = {}
        self._counts: dict[Labels, list[int]] = {}
        for labels in known if family.labels else ((),):
            self._series(labels)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count."""
        self._values[self._series(labels)] += by

    def set(self, value: float, *labels: str) -> None:
        """So much it is now."""
        self._values[self._series(labels)] = value

    def observe(self, value: float, *labels: str) -> None:
        """Put a value into its bucket; one below 0 counts as 0."""
        series = self._series(labels)
        self._values[series] += max(0.0, value)
        self._counts[series][bisect_left(self.family.bounds, value)] += 1

    def _series(self, labels: Labels) -> Labels:
        if labels in self._values:
            return labels
        if len(labels) != len(self.family.labels):
            raise ValueError(f"{self.family.name} has the labels {self.family.labels}")
        if len(self._values) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
            if labels in self._values:
                return labels
        self._values[labels] = 0.0
        if self.family.kind == "histogram":
            self._counts[labels] = [0] * (len(self.family.bounds) + 1)
        return labels

    def measured(self) -> Measured:
        """All of it as of now."""
        counts = self._counts
        series = (
            Series(labels, value, tuple(counts.get(labels, ())))
            for labels, value in self._values.items()
        )
        return Measured(self.family.name, tuple(series))


def gauge(family: Family, value: float, *labels: str) -> Measured:
    """One number that is known without having been counted."""
    return Measured(family.name, (Series(labels, float(value)),))


def gauges(family: Family, values: Iterable[tuple[Labels, float]]) -> Measured:
    """Several of them."""
    return Measured(family.name, tuple(Series(labels, float(value)) for labels, value in values))


def merged(all_measured: Iterable[Measured]) -> tuple[Measured, ...]:
    """Each family once, with the series of all who have measured something of it."""
    series: dict[str, list[Series]] = {}
    for each in all_measured:
        series.setdefault(each.family, []).extend(each.series)
    return tuple(Measured(name, tuple(found)) for name, found in series.items())
