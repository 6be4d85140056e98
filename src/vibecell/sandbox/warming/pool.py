"""Cells kept warm, so that taking one costs nothing.

Owns the cells of one profile that wait and who gets the next; refuses to know
how one is made. A cell leaves the pool once and never comes back. How many wait
and when one is made is decided for all pools together (``host/refill.py``), behind
the requests' back.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.backend import TellPosition
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.warming.background import Background
from vibecell.sandbox.warming.pool_tallies import PoolTallies

ACQUIRE_DEADLINE_S = 30.0
RETRY_DELAY_S = 0.1
# How often who waits is told where. Who waits shorter than half of this is not told at all.
TELL_EVERY_S = 0.1

log = logging.getLogger(__name__)


class _Waiter:
    """Somebody who waits for a cell, and how it is told where it stands."""

    def __init__(self, tell: TellPosition | None) -> None:
        self.cell: asyncio.Future[FramedCell] = asyncio.get_running_loop().create_future()
        self._tell = tell
        self.failures = 0
        self._since_s = asyncio.get_running_loop().time()
        self._told: int | None = None

    def tell(self, position: int) -> None:
        waited_s = asyncio.get_running_loop().time() - self._since_s
        if self._tell is not None and self._told != position and waited_s >= TELL_EVERY_S / 2:
            self._told = position
            self._tell(position)


class WarmPool:
    """A pool of one warm profile; see ``refill.Stock``.

    Args:
        make: makes one warm cell; raises ``SandboxFailure``.
        refill: decides over this pool and others.
        patience: failures that somebody who waits must have seen to be told of them.
        in_use: how many cells were taken and are not destroyed yet.
        tallies: told of what is taken and made.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[FramedCell]],
        refill: Refill,
        patience: int,
        in_use: Callable[[], int] = lambda: 0,
        tallies: PoolTallies | None = None,
    ) -> None:
        self._make = make
        self._tallies = tallies or PoolTallies()
        self._patience = patience
        self._refill = refill
        self.in_use = in_use
        self.demand = refill.new_demand()
        self.turn = 0
        self.open = False
        self._ready: deque[FramedCell] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._telling: asyncio.TimerHandle | None = None
        self._made_at_s = float("-inf")
        self._making: set[asyncio.Task[None]] = set()
        self._ending = Background()
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False
        self._failures = 0
        refill.join(self)

    @property
    def ready(self) -> int:
        """How many cells wait."""
        return len(self._ready)

    @property
    def making(self) -> int:
        """How many cells are being made."""
        return len(self._making)

    @property
    def waiting(self) -> int:
        """How many wait for a cell."""
        return len(self._waiters)

    def counts(self) -> dict[str, int]:
        """What there is at this moment, by name."""
        return {
            "ready": self.ready,
            "making": self.making,
            "target": self._refill.target(self),
            "waiting": self.waiting,
            "in_use": self.in_use(),
        }

    @property
    def paused(self) -> bool:
        """Whether a failure is too recent to try again."""
        return self._pause is not None

    async def acquire(self, deadline_s: float, tell: TellPosition | None = None) -> FramedCell:
        """Take a warm cell; the first who asks is the first who gets one.

        Does not wait, and starts no work of its own, where a cell is ready.

        Args:
            deadline_s: how long to wait for the next cell of this pool to be
                made. As long as cells are made, everybody's turn comes.
            tell: called with the place in the queue, 0 is next, within one and a
                half ``TELL_EVERY_S``, and then whenever it has changed.

        Raises:
            SandboxFailure: none could be made in time.
        """
        if self._closed:
            raise SandboxFailure("take a warm cell", "the pool is closed")
        self._refill.arrived(self.demand)
        while self._ready:
            cell = self._ready.popleft()
            if cell.is_alive:
                self._refill.later()
                self._tallies.taken(was_ready=True)
                return cell
            self._end(cell)
        self._tallies.taken(was_ready=False)
        waiter = _Waiter(tell)
        self._waiters.append(waiter)
        self.fill()
        self._tell_later()
        taken = None
        try:
            taken = await self._next_cell(waiter.cell, deadline_s)
        finally:
            if taken is None:
                self._withdraw(waiter)
        return taken

    async def _next_cell(
        self, coming: "asyncio.Future[FramedCell]", deadline_s: float
    ) -> FramedCell:
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        while True:
            until_s = max(since_s, self._made_at_s) + deadline_s
            if loop.time() >= until_s:
                raise SandboxFailure("take a warm cell", "none was made in time")
            await asyncio.wait((coming,), timeout=until_s - loop.time())
            if coming.done():
                return coming.result()

    def _tell_later(self) -> None:
        if self._telling is None and self._waiters:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_EVERY_S, self._tell)

    def _tell(self) -> None:
        """Tell all who wait where they are; those who came a moment ago, the next time."""
        self._telling = None
        for position, waiter in enumerate(self._waiters):
            waiter.tell(position)
        self._tell_later()

    def _withdraw(self, waiter: "_Waiter") -> None:
        """A waiter that goes in the moment it was served must not lose the cell."""
        with contextlib.suppress(ValueError):
            self._waiters.remove(waiter)
        coming = waiter.cell
        if coming.done() and not coming.cancelled() and coming.exception() is None:
            self._offer(coming.result())

    def fill(self) -> None:
        """Keep a stock from now on."""
        self.open = not self._closed
        self._refill.soon()

    def begin(self) -> None:
        """See ``refill.Stock``."""
        task = asyncio.create_task(self._make_one())
        self._making.add(task)
        task.add_done_callback(self._made)

    def _made(self, task: "asyncio.Task[None]") -> None:
        self._making.discard(task)
        self._refill.soon()

    async def _make_one(self) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            cell = await self._make()
        except Exception as error:
            self._tallies.not_made()
            counts = self._pause is None  # those begun together fail together, once
            self._failures += counts
            if not isinstance(error, SandboxFailure):
                log.exception("a warm cell could not be made")
            elif counts and self._failures.bit_count() == 1:  # the first, the second, the fourth …
                log.warning("a warm cell could not be made (%d): %s", self._failures, error)
            for waiter in self._waiters:
                waiter.failures += counts
            self._fail_waiters(error, self._patience)
            self._pause_for(RETRY_DELAY_S * min(self._failures, 20))
            return
        self._failures = 0
        self._made_at_s = asyncio.get_running_loop().time()
        self._tallies.made(self._made_at_s - began_s)
        self._offer(cell)

    def _pause_for(self, delay_s: float) -> None:
        """Begin none for a while; meanwhile other profiles make theirs."""
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(delay_s, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._refill.soon()

    def _offer(self, cell: FramedCell) -> None:
        if self._closed:
            self._end(cell)
            return
        while self._waiters:
            coming = self._waiters.popleft().cell
            if not coming.done():
                coming.set_result(cell)
                return
        if self._refill.has_room():
            self._ready.append(cell)
        else:  # who it was made for has gone
            self._end(cell)

    def _fail_waiters(self, error: Exception, patience: int = 0) -> None:
        """Tell those who have seen so many failures, and nobody who has just come."""
        step = error.step if isinstance(error, SandboxFailure) else "make a cell"
        detail = str(error).removeprefix(f"{step}: ")
        told = [waiter for waiter in self._waiters if waiter.failures >= patience]
        self._waiters = deque(waiter for waiter in self._waiters if waiter not in told)
        for waiter in told:
            if not waiter.cell.done():
                waiter.cell.set_exception(SandboxFailure(step, detail))

    def _end(self, cell: FramedCell) -> None:
        """Destroy a cell behind everybody's back; ``close`` waits for it."""
        self._ending.run(cell.destroy())

    def discard_dead(self) -> None:
        """Drop waiting cells whose zygote has died, and make others."""
        alive = [cell for cell in self._ready if cell.is_alive]
        for cell in set(self._ready) - set(alive):
            self._end(cell)
        self._ready = deque(alive)
        self.fill()

    def shrink(self, keep: int) -> None:
        """See ``refill.Stock``."""
        while len(self._ready) > keep:
            self._end(self._ready.popleft())

    async def close(self) -> None:
        """Destroy what waits; fail who waits; idempotent."""
        self._closed = True
        self.open = False
        self._refill.leave(self)
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        for timer in (self._pause, self._telling):
            if timer is not None:
                timer.cancel()
        self._fail_waiters(SandboxFailure("take a warm cell", "the pool is closed"))
        while self._ready:
            self._end(self._ready.popleft())
        await self._ending.ended()
