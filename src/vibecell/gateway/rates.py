"""How often within a time, for each name.

Owns asking the library ``limits`` about rates of ours, by its moving window: within any period
at most so many. Refuses to know what is counted, and where: that is the storage's, of this
process (``recent_moments.py``) or of several.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import MovingWindowRateLimiter

from vibecell.gateway.recent_moments import MAX_NAMES, RecentMoments, nobodys
from vibecell.model.caller import Rate


class Left(NamedTuple):
    """What is left of a rate at one moment.

    Attributes:
        remaining: so many more may come at once.
        more_in_s: seconds until it is more; 0.0 where nothing was counted.
    """

    remaining: int
    more_in_s: float


class Rates:
    """Counts moments of names against rates.

    Args:
        storage: where they are counted.
        clock: the storage's, in seconds.
    """

    def __init__(self, storage: Storage, clock: Callable[[], float]) -> None:
        self._window = MovingWindowRateLimiter(storage)
        self._clock = clock

    def left(self, rate: Rate, *name: str) -> Left:
        """What is left to this name."""
        stats = self._window.get_window_stats(_item(rate), *name)
        if stats.remaining >= rate.count:
            return Left(rate.count, 0.0)
        return Left(max(0, stats.remaining), max(0.0, stats.reset_time - self._clock()))

    def count(self, rate: Rate, *name: str) -> bool:
        """Count this moment, if there is room for it; tells whether there was."""
        return self._window.hit(_item(rate), *name)


def second_part(name: str) -> str:
    """Of what a name is in a storage, the second of the parts that ``count`` was given.

    The first two have no slash, and the library begins with a word of its own.
    """
    return name.split("/", 3)[2]


class PerMinute:
    """At most so many moments of one name within any minute, in this process.

    Args:
        most: moments of one name.
        max_names: remembered at once; beyond it the one is forgotten that was counted
            longest ago.
        clock: seconds; never goes back.
        holder_of: as of ``RecentMoments``.
    """

    def __init__(
        self,
        most: int,
        max_names: int = MAX_NAMES,
        clock: Callable[[], float] = time.monotonic,
        holder_of: Callable[[str], str] = nobodys,
    ) -> None:
        self._rate = Rate(most, 60)
        self._counted = RecentMoments(max_names, clock, holder_of)
        self._rates = Rates(self._counted, clock)

    def wait_s(self, *name: str) -> float:
        """Seconds until a moment of this name can be counted; 0.0: now."""
        if not len(self._counted):  # as mostly
            return 0.0
        left = self._rates.left(self._rate, *name)
        return 0.0 if left.remaining else left.more_in_s

    def count(self, *name: str) -> None:
        """Count this moment, if there is room for it."""
        self._rates.count(self._rate, *name)


class _Item(RateLimitItemPerSecond):
    """A rate as the library has it, which makes a name's key once."""

    GRANULARITY = RateLimitItemPerSecond.GRANULARITY

    @lru_cache(4096)  # noqa: B019 - so are items
    def key_for(self, *identifiers: bytes | str | float) -> str:
        """See ``RateLimitItem``."""
        return super().key_for(*identifiers)


@lru_cache(1024)
def _item(rate: Rate) -> RateLimitItem:
    return _Item(rate.count, rate.period_s)
