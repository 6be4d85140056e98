"""How many cells will be wanted at once, told from when they were wanted before.

Owns the arithmetic of demand and of sharing what may be kept between the warm
profiles; pure, it is told the time. Refuses to know what a cell is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BURST_S = 1.0
HALF_LIFE_S = 15.0


class Demand:
    """An estimate of how many cells a burst will take.

    The law has two parts. The *burst* is the number of arrivals of about the
    last second: each counts 1 and fades as ``exp(-age / BURST_S)``. The *level*
    is the highest burst seen, halved by every ``HALF_LIFE_S`` of its age. So
    it rises with the very arrivals that prove it, and never lags behind them;
    after its end a burst of 16 counts 8 for a quarter of a minute later, 1 after a
    minute, nothing after another half. ``n`` arrivals never make more than ``n``.

    A second is what a burst is worth keeping cells for: in that time more can be
    made than any pool keeps.

    Args:
        most: the level rises no higher, so that a flood is forgotten as soon
            as a burst that was just big enough.
    """

    __slots__ = ("_burst", "_burst_at_s", "_most", "_peak", "_peak_at_s")

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._burst = self._peak = 0.0
        self._burst_at_s = self._peak_at_s = 0.0

    def arrived(self, now_s: float) -> None:
        """Somebody wants a cell."""
        age_s = max(0.0, now_s - self._burst_at_s)
        self._burst = self._burst * math.exp(-age_s / BURST_S) + 1.0
        self._burst_at_s = now_s
        seen = min(self._burst, self._most)
        if seen >= self._peak_at(now_s):
            self._peak, self._peak_at_s = seen, now_s

    def level(self, now_s: float) -> int:
        """Cells to have ready: the level, to the nearest whole number."""
        return math.floor(self._peak_at(now_s) + 0.5)

    def _peak_at(self, now_s: float) -> float:
        return self._peak * math.exp2(-max(0.0, now_s - self._peak_at_s) / HALF_LIFE_S)


@dataclass(frozen=True, slots=True)
class IdleBounds:
    """How many warm cells may wait.

    Attributes:
        min_idle: of each profile, demand or not.
        max_idle: of all profiles together; the ``min_idle`` of each come first.
    """

    min_idle: int
    max_idle: int

    def most(self, profiles: int) -> int:
        """How many may wait in all."""
        return max(self.max_idle, self.min_idle * profiles)

    def share(self, levels: Sequence[int]) -> list[int]:
        """Targets of the profiles, from the demand of each.

        Each gets its demand, at least ``min_idle``. Where they come to more than
        may wait in all, what each wants beyond ``min_idle`` is cut in proportion.
        """
        room = self.most(len(levels)) - self.min_idle * len(levels)
        extra = [max(0, level - self.min_idle) for level in levels]
        wanted = sum(extra)
        if wanted > room:
            extra = [each * room // wanted for each in extra]
        return [self.min_idle + each for each in extra]
