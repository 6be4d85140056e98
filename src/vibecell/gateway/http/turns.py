"""Turns at the one thread that serves everybody.

Owns how much the connections of one peer may take before all others who are
ready had a turn; refuses to know what a connection does with its own.

Theory of operation: a greenlet that never has to wait never lets another run,
and a peer whose bytes are always there makes such a greenlet. ``gevent.sleep(0)``
would not help: callbacks run in a row for some milliseconds before the loop
looks at any socket, so two such greenlets would give way to each other alone.
So a turn is an iteration of the loop, in which it has looked at every socket
once. What the connections of a peer take within one iteration is added up, and
where it comes to a slice they stand in a queue that a timer of no length
empties: such a timer fires after the loop has looked, by another slice each
time. Source: libev(3), "The special problem of being too early" and "ev_run"
(callbacks of gevent are a prepare watcher; ``iteration`` counts polls).
"""

import time
from collections import deque

from gevent.hub import Waiter, get_hub

#: Of one iteration, for all connections of a peer together.
SLICE_S = 0.005
SLICE_BYTES = 256 * 1024
#: Of a slice, for a connection on which no owner has ever asked.
UNKNOWN_FRACTION = 0.25
#: Requests of one peer that came before the one before them was answered.
PIPELINED_PER_S = 100
#: A body or a message may come in so many pieces, whatever they carry …
FREE_PIECES = 1000
#: … and in one more for each so many bytes.
BYTES_PER_PIECE = 64


class Pieces:
    """How many pieces something comes in: chunks of a body, fragments of a message.

    Each costs the same, whatever it carries; so those that carry next to nothing
    are bounded in number.
    """

    __slots__ = ("_bytes", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._bytes = 0

    def too_many(self, size_bytes: int) -> bool:
        """Count one more; whether there are too many for what they carry."""
        self._count += 1
        self._bytes += size_bytes
        return self._count > FREE_PIECES + self._bytes // BYTES_PER_PIECE


class Share:
    """What the connections of one peer take of the thread, together.

    Attributes:
        open: connections of this peer, or requests of a client behind a proxy.
        loop: gevent's; its ``iteration`` counts how often it has looked at all sockets.
    """

    __slots__ = (
        "_bytes",
        "_iteration",
        "_pipelined",
        "_queue",
        "_second_began_s",
        "_spent_s",
        "_timer",
        "loop",
        "open",
    )

    def __init__(self) -> None:
        self.open = 0
        self.loop = get_hub().loop
        self._timer = self.loop.timer(0.0)
        self._queue: deque[tuple[Waiter, float]] = deque()  # and the part of a slice for it
        self._iteration = -1
        self._spent_s = 0.0
        self._bytes = 0
        self._second_began_s = 0.0
        self._pipelined = 0

    def spend(self, iteration: int, spent_s: float, size_bytes: int, known: bool) -> None:
        """Charge for one step; waits for the next turn where this one is over.

        Args:
            iteration: the present one.
            spent_s: by the step.
            size_bytes: moved by it.
            known: it was an owner's.
        """
        if iteration != self._iteration:
            self._iteration, self._spent_s, self._bytes = iteration, spent_s, size_bytes
        else:
            self._spent_s += spent_s
            self._bytes += size_bytes
        part = 1.0 if known else UNKNOWN_FRACTION
        if self._queue or self._spent_s >= SLICE_S * part or self._bytes >= SLICE_BYTES * part:
            self._wait(part)  # where others do, too: nobody overtakes

    def _wait(self, part: float) -> None:
        if not self._queue:
            self._timer.start(self._resume)
        waiter = Waiter()
        self._queue.append((waiter, part))
        waiter.get()

    def _resume(self) -> None:
        """In the loop: those who waited, in their order, for a slice together."""
        self._iteration, self._spent_s, self._bytes = self.loop.iteration, 0.0, 0
        began_s = time.perf_counter()
        for _ in range(len(self._queue)):
            self._queue.popleft()[0].switch(None)
            self._spent_s = max(self._spent_s, time.perf_counter() - began_s)
            part = self._queue[0][1] if self._queue else 1.0  # of who would come next
            if self._spent_s >= SLICE_S * part or self._bytes >= SLICE_BYTES * part:
                break
        if self._queue:
            self._timer.start(self._resume)

    def pipelined_wait_s(self) -> float:
        """Count a pipelined request; seconds to wait before asking again, or 0.0: counted."""
        now_s = time.monotonic()
        if now_s >= self._second_began_s + 1.0:
            self._second_began_s, self._pipelined = now_s, 0
        if self._pipelined >= PIPELINED_PER_S:
            return self._second_began_s + 1.0 - now_s
        self._pipelined += 1
        return 0.0


class Turn:
    """One connection's hold on its peer's share."""

    __slots__ = ("_iteration", "_share", "_since_s")

    def __init__(self, share: Share) -> None:
        self._share = share
        self._iteration = -1
        self._since_s = 0.0

    def take(self, size_bytes: int, known: bool) -> None:
        """After each step: lets others run, where the peer has had its slice.

        Args:
            size_bytes: moved by the step.
            known: whether an owner has asked on this connection.
        """
        iteration, now_s = self._share.loop.iteration, time.perf_counter()
        # what came before the loop has looked is nobody's any more
        spent_s = now_s - self._since_s if iteration == self._iteration else 0.0
        self._iteration, self._since_s = iteration, now_s
        self._share.spend(iteration, spent_s, size_bytes, known)
