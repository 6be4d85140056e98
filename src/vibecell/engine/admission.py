"""Who may run now, who waits, who is turned away.

Owns the bound on concurrent executions and the bounded first-come queue;
refuses when the queue is full, at once and with a hint, never later.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from vibecell.model.errors import QueueFull

POSITION_INTERVAL_S = 0.1
MAX_RETRY_AFTER_S = 60
_SMOOTHING = 0.2


class Ticket:
    """A place, running or waiting; ``release`` gives it back, whichever it is.

    Args:
        admission: whose ticket it is.
        tell: called with each new position in the queue, 0 is next; at most
            ten times a second, except for the first and for 0.
    """

    def __init__(self, admission: "Admission", tell: Callable[[int], None]) -> None:
        self._admission = admission
        self._tell = tell
        self._granted = asyncio.get_running_loop().create_future()
        self._told: int | None = None
        self._granted_at = 0.0
        self._released = False

    async def wait(self) -> None:
        """Return when it is this one's turn; may be cancelled."""
        await asyncio.shield(self._granted)

    def release(self) -> None:
        """Give the place back; idempotent."""
        if not self._released:
            self._released = True
            self._admission._release(self)

    @property
    def granted(self) -> bool:
        """Whether it is running rather than waiting."""
        return self._granted.done()

    @property
    def held_s(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._granted_at

    def _grant(self) -> None:
        self._granted_at = time.monotonic()
        self._granted.set_result(None)

    def _move(self, position: int) -> None:
        if self._told != position:
            self._told = position
            self._tell(position)


class Admission:
    """Bounded concurrency and a bounded queue before it.

    Args:
        max_concurrent: tickets granted at once.
        queue_size: tickets waiting at once.
    """

    def __init__(self, max_concurrent: int, queue_size: int) -> None:
        self._max_concurrent = max_concurrent
        self._queue_size = queue_size
        self._running = 0
        self._waiting: deque[Ticket] = deque()
        self._typical_s = 1.0
        self._told_all_at = 0.0
        self._telling: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        """Tickets granted and not given back."""
        return self._running

    @property
    def waiting(self) -> int:
        """Tickets in the queue."""
        return len(self._waiting)

    def admit(self, tell: Callable[[int], None]) -> Ticket:
        """A ticket, granted at once or queued.

        Raises:
            QueueFull: every place is taken, waiting ones too.
        """
        ticket = Ticket(self, tell)
        if self._running < self._max_concurrent and not self._waiting:
            self._running += 1
            ticket._grant()
            return ticket
        if len(self._waiting) >= self._queue_size:
            raise QueueFull("every place is taken; try again later", self.retry_after_s())
        self._waiting.append(ticket)
        ticket._move(len(self._waiting) - 1)
        return ticket

    def retry_after_s(self) -> int:
        """When a place may be free, from how long places were held lately."""
        rounds = (len(self._waiting) + 1) / self._max_concurrent
        return min(MAX_RETRY_AFTER_S, max(1, math.ceil(rounds * self._typical_s)))

    def _release(self, ticket: Ticket) -> None:
        if ticket.granted:
            self._typical_s += _SMOOTHING * (ticket.held_s - self._typical_s)
            self._running -= 1
        else:
            self._waiting.remove(ticket)
        while self._waiting and self._running < self._max_concurrent:
            self._running += 1
            self._waiting.popleft()._grant()
        if self._waiting:
            self._waiting[0]._move(0)
            self._tell_soon()

    def _tell_soon(self) -> None:
        """Tell all who wait where they are, once in an interval, however many leave."""
        if self._telling is not None:
            return
        wait_s = self._told_all_at + POSITION_INTERVAL_S - time.monotonic()
        if wait_s <= 0:
            self._tell_all()
        else:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(wait_s, self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        self._told_all_at = time.monotonic()
        for position, waiting in enumerate(self._waiting):
            waiting._move(position)
