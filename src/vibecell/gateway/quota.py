"""How much one owner may ask for.

Owns rates and the count of what is open; refuses with 429 and a hint. The
engine's own queue bounds everything together; this keeps one owner from
taking it all.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.exceptions import TooManyRequests

from vibecell.gateway.moving_window import MovingWindow
from vibecell.gateway.policy import Policy


class Lease:
    """One open place; ``release`` gives it back, once."""

    def __init__(self, held: Counter[str], owner: str) -> None:
        self._held = held
        self._owner: str | None = owner

    def release(self) -> None:
        """Give the place back; idempotent."""
        owner, self._owner = self._owner, None
        if owner is not None:
            self._held[owner] -= 1
            if self._held[owner] <= 0:
                del self._held[owner]


class Quota:
    """Counts per owner, in this process."""

    def __init__(self, policy: Policy) -> None:
        self._begun = MovingWindow(policy.begun_per_minute)
        self._concurrent = policy.concurrent
        self._held: Counter[str] = Counter()

    def count_begun(self, owner: str) -> None:
        """Count one request that begins an execution.

        Raises:
            TooManyRequests: the owner's rate is used up.
        """
        wait_s = self._begun.wait_s(owner)
        if wait_s > 0:
            wait_s = max(1, math.ceil(wait_s))
            raise TooManyRequests("too many executions begun", retry_after=wait_s)
        self._begun.count(owner)

    def lease(self, owner: str) -> Lease:
        """Take one of the owner's places for something that stays open.

        Raises:
            TooManyRequests: all of them are taken.
        """
        if self._held[owner] >= self._concurrent:
            raise TooManyRequests("too many requests at once", retry_after=1)
        self._held[owner] += 1
        return Lease(self._held, owner)

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """``lease`` for the time of a block."""
        lease = self.lease(owner)
        try:
            yield
        finally:
            lease.release()

    @property
    def open(self) -> int:
        """Places taken by all owners together."""
        return sum(self._held.values())
