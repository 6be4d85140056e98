"""The latest moments of each name, in this process: a storage for the library ``limits``.

Owns what its moving window needs, and nothing else: no timer looks after it, and no name
costs more than ``MAX_TOLD_APART`` moments, whatever its rate. Of a rate above that, moments
less than so small a part of its period apart are one, that of the last of them: whoever waits
is let in later by that much at most, and never one too many. Refuses fixed windows, and to
remember more names than it is told.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Callable

from limits.storage import MovingWindowSupport, Storage

MAX_TOLD_APART = 256
#: Far above the keys of a deployment; of users and addresses there may be more.
MAX_NAMES = 20_000
_FORGOTTEN_AT_ONCE = 2  # more than each count adds


class _Moments:
    """When, the oldest first, and how many then."""

    __slots__ = ("_began", "_counts", "_moments", "total")

    def __init__(self) -> None:
        self._moments = array("d")
        self._counts = array("Q")
        self._began = 0.0  # the first of those that are told as the last
        self.total = 0

    @property
    def oldest(self) -> float:
        return self._moments[0]

    @property
    def newest(self) -> float:
        return self._moments[-1]

    def add(self, now: float, amount: int, told_apart_s: float) -> None:
        self.total += amount
        if self._moments and now - self._began < told_apart_s:
            self._moments[-1] = now
            self._counts[-1] += amount
            return
        self._began = now
        self._moments.append(now)
        self._counts.append(amount)

    def drop(self, upto: float) -> None:
        over = 0
        for moment in self._moments:
            if moment > upto:
                break
            over += 1
        if over:
            self.total -= sum(self._counts[:over])
            del self._moments[:over], self._counts[:over]


class RecentMoments(Storage, MovingWindowSupport):
    """Moments of names; the method names, and what they mean, are the library's.

    Args:
        max_names: remembered at once of each period; beyond it the one is forgotten that was
            counted longest ago.
        clock: seconds; never goes back.
    """

    STORAGE_SCHEME = None

    def __init__(
        self, max_names: int = MAX_NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._max_names = max_names
        self._clock = clock
        # by period: those of one are over in the order in which they were last counted
        self._names: dict[int, OrderedDict[str, _Moments]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count so many moments now, if there is room for all of them."""
        now = self._clock()
        names = self._names.get(expiry)
        if names is None:
            names = self._names[expiry] = OrderedDict()
        moments = names.get(key)
        if moments is None:
            moments = _Moments()
        else:
            moments.drop(now - expiry)
        if moments.total + amount > limit:
            return False
        told_apart_s = 0.0 if limit <= MAX_TOLD_APART else expiry / MAX_TOLD_APART
        moments.add(now, amount, told_apart_s)
        names[key] = moments
        names.move_to_end(key)
        self._forget(names, now - expiry)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The oldest moment that counts still, or now, and how many there are."""
        now = self._clock()
        names = self._names.get(expiry)
        moments = None if names is None else names.get(key)
        if moments is None:
            return now, 0
        moments.drop(now - expiry)
        return (moments.oldest, moments.total) if moments.total else (now, 0)

    def _forget(self, names: OrderedDict[str, _Moments], upto: float) -> None:
        for _ in range(_FORGOTTEN_AT_ONCE):
            name, moments = next(iter(names.items()))
            if len(names) <= self._max_names and moments.total and moments.newest > upto:
                return
            del names[name]

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a failure of the storage is: nothing fails here."""
        return MemoryError

    def check(self) -> bool:
        """Whether it can be used."""
        return True

    def reset(self) -> int:
        """Forget everything; how many names there were."""
        count = len(self)
        self._names.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one name."""
        for names in self._names.values():
            names.pop(key, None)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refused: a fixed window lets twice its rate through around its end."""
        raise NotImplementedError("fixed windows are not kept")

    def get(self, key: str) -> int:
        """Refused likewise."""
        raise NotImplementedError("fixed windows are not kept")

    def get_expiry(self, key: str) -> float:
        """Refused likewise."""
        raise NotImplementedError("fixed windows are not kept")
