"""How much one owner may ask for.

Owns rates and the count of what is open; refuses with 429 and a hint. The
engine's own queue bounds everything together; this keeps one owner from
taking it all. A request that is refused takes this process's one thread as well,
and no place in any queue: hence refusals have a rate of their own.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.exceptions import (
    RequestEntityTooLarge,
    TooManyRequests,
    UnsupportedMediaType,
)

from vibecell.gateway.moving_window import MovingWindow
from vibecell.gateway.policy import Policy
from vibecell.model.caller import Owner
from vibecell.model.errors import InvalidRequest, MalformedRequest, UnsupportedLanguage

#: What says of a message that nothing will come of it, however often it is sent.
_REFUSALS = (
    MalformedRequest,
    InvalidRequest,
    UnsupportedLanguage,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)


class Lease:
    """One open place; ``release`` gives it back, once."""

    def __init__(self, held: Counter[Owner], owner: Owner) -> None:
        self._held = held
        self._owner: Owner | None = owner

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
        self._refused = MovingWindow(policy.refused_per_minute)
        self._concurrent = policy.concurrent
        self._held: Counter[Owner] = Counter()

    def count_begun(self, owner: Owner) -> None:
        """Count one request that begins an execution.

        Raises:
            TooManyRequests: the owner's rate is used up.
        """
        _require_room(self._begun, owner, "too many executions begun")
        self._begun.count(owner)

    def lease(self, owner: Owner) -> Lease:
        """Take one of the owner's places for something that stays open.

        Raises:
            TooManyRequests: all of them are taken.
        """
        if self._held[owner] >= self._concurrent:
            raise TooManyRequests("too many requests at once", retry_after=1)
        self._held[owner] += 1
        return Lease(self._held, owner)

    @contextmanager
    def place(self, owner: Owner) -> Iterator[None]:
        """``lease`` for the time of a block, in which a message of the owner is judged."""
        lease = self.lease(owner)
        try:
            with self.judging(owner):
                yield
        finally:
            lease.release()

    @contextmanager
    def judging(self, owner: Owner) -> Iterator[None]:
        """A block that reads a message and may refuse it, which is counted.

        Raises:
            TooManyRequests: too many of the owner's were refused within a minute.
        """
        _require_room(self._refused, owner, "too many requests that were refused")
        with self.counting(owner):
            yield

    @contextmanager
    def counting(self, owner: Owner) -> Iterator[None]:
        """The same for one who has been let in: what others were refused does not end that."""
        try:
            yield
        except _REFUSALS:
            if self._refused.wait_s(owner) == 0.0:
                self._refused.count(owner)
            raise

    @property
    def open(self) -> int:
        """Places taken by all owners together."""
        return sum(self._held.values())


def _require_room(window: MovingWindow, owner: Owner, otherwise: str) -> None:
    wait_s = window.wait_s(owner)
    if wait_s > 0:
        raise TooManyRequests(otherwise, retry_after=max(1, math.ceil(wait_s)))
