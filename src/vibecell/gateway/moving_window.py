"""How often within the last minute, for each name.

Owns counting moments in an exact moving window, in this process; refuses to
know what is counted, and to remember more names than it is told.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Hashable

WINDOW_S = 60.0
#: Far above the keys of a deployment; of addresses there may be more.
MAX_NAMES = 10_000


class MovingWindow:
    """At most so many moments of one name within any ``WINDOW_S`` seconds.

    Args:
        most: moments of one name.
        max_names: remembered at once; beyond it the one is forgotten that was
            counted longest ago.
    """

    def __init__(self, most: int, max_names: int = MAX_NAMES) -> None:
        self._most = most
        self._max_names = max_names
        # in the order in which they were last counted
        self._moments: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait_s(self, name: Hashable) -> float:
        """Seconds until a moment of this name can be counted; 0.0: now."""
        now = time.monotonic()
        moments = self._moments.get(name)
        if moments is None:
            return 0.0
        while moments and moments[0] <= now - WINDOW_S:
            moments.popleft()
        return moments[0] + WINDOW_S - now if len(moments) >= self._most else 0.0

    def count(self, name: Hashable) -> None:
        """Count this moment, for which there must be room."""
        moments = self._moments.get(name)
        if moments is None:
            moments = self._moments[name] = deque()
        moments.append(time.monotonic())
        self._moments.move_to_end(name)
        self._forget()

    def _forget(self) -> None:
        """Drop who is quiet: two at most, which is more than each count adds."""
        gone_before = time.monotonic() - WINDOW_S
        for _ in range(2):
            name, moments = next(iter(self._moments.items()))
            if len(self._moments) <= self._max_names and moments and moments[-1] > gone_before:
                return
            del self._moments[name]
