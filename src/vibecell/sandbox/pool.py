"""Cells kept warm, so that taking one costs nothing.

Owns the cells of one profile that wait and who gets the next; refuses to know
how one is made. A cell leaves the pool once and never comes back. How many wait
and when one is made is decided for all pools together (``refill.py``), behind
the requests' back.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed import FramedCell
from vibecell.sandbox.refill import Refill

MAX_FAILURES = 3
RETRY_DELAY_S = 0.1

log = logging.getLogger(__name__)


class WarmPool:
    """A pool of one warm profile; see ``refill.Stock``.

    Args:
        make: makes one warm cell; raises ``SandboxFailure``.
        refill: decides over this pool and others.
        in_use: how many cells were taken and are not destroyed yet.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[FramedCell]],
        refill: Refill,
        in_use: Callable[[], int] = lambda: 0,
    ) -> None:
        self._make = make
        self._refill = refill
        self.in_use = in_use
        self.demand = refill.new_demand()
        self.turn = 0
        self.open = False
        self._ready: deque[FramedCell] = deque()
        self._waiters: deque[asyncio.Future[FramedCell]] = deque()
        self._making: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
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

    @property
    def paused(self) -> bool:
        """Whether a failure is too recent to try again."""
        return self._pause is not None

    async def acquire(self, deadline_s: float) -> FramedCell:
        """Take a warm cell; the first who asks is the first who gets one.

        Does not wait, and starts no work of its own, where a cell is ready.

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
                return cell
            self._end(cell)
        waiter: asyncio.Future[FramedCell] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.fill()
        taken = None
        try:
            async with asyncio.timeout(deadline_s):
                taken = await waiter
        except TimeoutError as error:
            raise SandboxFailure("take a warm cell", "none was made in time") from error
        finally:
            if taken is None:
                self._withdraw(waiter)
        return taken

    def _withdraw(self, waiter: "asyncio.Future[FramedCell]") -> None:
        """A waiter that goes in the moment it was served must not lose the cell."""
        with contextlib.suppress(ValueError):
            self._waiters.remove(waiter)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._offer(waiter.result())

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
        try:
            cell = await self._make()
        except Exception as error:
            self._failures += 1
            if isinstance(error, SandboxFailure):
                log.warning("a warm cell could not be made: %s", error)
            else:
                log.exception("a warm cell could not be made")
            if self._failures >= MAX_FAILURES:
                self._fail_waiters(error)
            self._begin_pause(RETRY_DELAY_S * min(self._failures, 20))
            return
        self._failures = 0
        self._offer(cell)

    def _begin_pause(self, delay_s: float) -> None:
        """Begin none for a while; meanwhile other profiles make theirs."""
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(delay_s, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None
        self._refill.soon()

    def _offer(self, cell: FramedCell) -> None:
        if self._closed:
            self._end(cell)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(cell)
                return
        if self._refill.has_room():
            self._ready.append(cell)
        else:  # who it was made for has gone
            self._end(cell)

    def _fail_waiters(self, error: Exception) -> None:
        step = error.step if isinstance(error, SandboxFailure) else "make a cell"
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(SandboxFailure(step, str(error)))

    def _end(self, cell: FramedCell) -> None:
        """Destroy a cell behind everybody's back; ``close`` waits for it."""
        task = asyncio.create_task(cell.destroy())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

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
        if self._pause is not None:
            self._pause.cancel()
        self._fail_waiters(SandboxFailure("take a warm cell", "the pool is closed"))
        while self._ready:
            self._end(self._ready.popleft())
        while self._ending:
            await asyncio.wait(self._ending)
