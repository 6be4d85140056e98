"""The latest moments of each name, in this process: a storage for the library ``limits``.

Owns what its moving window needs, and nothing else: no timer looks after it, and no name
costs more than ``MAX_TOLD_APART`` moments, whatever its rate. Of a rate above that, moments
less than so small a part of its period apart are one, that of the last of them: whoever waits
is let in later by that much at most, and never one too many. Refuses fixed windows, and to
remember more names than it is told: beyond that, one is forgotten of a holder who has no
fewer than there are for each, so that many names of one cost no other any.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from limits.storage import MovingWindowSupport, Storage

MAX_TOLD_APART = 256
#: Far above the keys of a deployment; of users and addresses there may be more.
MAX_NAMES = 20_000
_FORGOTTEN_AT_ONCE = 2  # more than each count adds

_Names = OrderedDict[str, "_Moments"]


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


class _Period:
    """Names of one period: those of a holder are over in the order in which they were counted.

    So are holders: of whom nothing was counted for longest is the first.
    """

    def __init__(self) -> None:
        self._holders: OrderedDict[str, _Names] = OrderedDict()
        self.count = 0

    def find(self, holder: str, name: str) -> _Moments | None:
        names = self._holders.get(holder)
        return None if names is None else names.get(name)

    def put_last(self, holder: str, name: str, moments: _Moments) -> None:
        names = self._holders.get(holder)
        if names is None:
            names = self._holders[holder] = OrderedDict()
        self.count += name not in names
        names[name] = moments
        names.move_to_end(name)
        self._holders.move_to_end(holder)

    def forget(self, holder: str, name: str) -> None:
        names = self._holders.get(holder, _Names())
        if names.pop(name, None) is None:
            return
        self.count -= 1
        if not names:
            del self._holders[holder]

    def forget_quiet(self, upto: float) -> None:
        """A few, of who was counted last and of who was not for longest."""
        for holder in {next(reversed(self._holders)), next(iter(self._holders))}:
            names = self._holders[holder]
            for name in list(islice(names, _FORGOTTEN_AT_ONCE)):
                moments = names[name]
                if moments.total and moments.newest > upto:
                    break
                self.forget(holder, name)

    def forget_of_many(self) -> None:
        """The oldest of who was counted last if he has a fair part, or else of who has most."""
        holder = next(reversed(self._holders))
        if len(self._holders[holder]) * len(self._holders) < self.count:
            holder = max(self._holders, key=lambda each: len(self._holders[each]))
        self.forget(holder, next(iter(self._holders[holder])))


def nobodys(name: str) -> str:
    """Whose a name is where that is not told apart."""
    return ""


class RecentMoments(Storage, MovingWindowSupport):
    """Moments of names; the method names, and what they mean, are the library's.

    Args:
        max_names: remembered at once of each period; beyond it the one is forgotten, of a
            holder who has many, that was counted longest ago.
        clock: seconds; never goes back.
        holder_of: whose a name is; by itself all are one holder's.
    """

    STORAGE_SCHEME = None

    def __init__(
        self,
        max_names: int = MAX_NAMES,
        clock: Callable[[], float] = time.monotonic,
        holder_of: Callable[[str], str] = nobodys,
    ) -> None:
        super().__init__()
        self._max_names = max_names
        self._clock = clock
        self._holder_of = holder_of
        self._periods: dict[int, _Period] = {}

    def __len__(self) -> int:
        return sum(period.count for period in self._periods.values())

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count so many moments now, if there is room for all of them."""
        now = self._clock()
        period = self._periods.get(expiry)
        if period is None:
            period = self._periods[expiry] = _Period()
        holder = self._holder_of(key)
        moments = period.find(holder, key)
        if moments is None:
            moments = _Moments()
        else:
            moments.drop(now - expiry)
        if moments.total + amount > limit:
            return False
        told_apart_s = 0.0 if limit <= MAX_TOLD_APART else expiry / MAX_TOLD_APART
        moments.add(now, amount, told_apart_s)
        period.put_last(holder, key, moments)
        period.forget_quiet(now - expiry)
        if period.count > self._max_names:
            period.forget_of_many()
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The oldest moment that counts still, or now, and how many there are."""
        now = self._clock()
        period = self._periods.get(expiry)
        moments = None if period is None else period.find(self._holder_of(key), key)
        if moments is None:
            return now, 0
        moments.drop(now - expiry)
        return (moments.oldest, moments.total) if moments.total else (now, 0)

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
        self._periods.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one name."""
        for period in self._periods.values():
            period.forget(self._holder_of(key), key)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refused: a fixed window lets twice its rate through around its end."""
        raise NotImplementedError("fixed windows are not kept")

    def get(self, key: str) -> int:
        """Refused likewise."""
        raise NotImplementedError("fixed windows are not kept")

    def get_expiry(self, key: str) -> float:
        """Refused likewise."""
        raise NotImplementedError("fixed windows are not kept")
