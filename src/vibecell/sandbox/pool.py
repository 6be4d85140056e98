"""Cells kept warm, so that taking one costs nothing.

Owns how many wait and who gets the next; refuses to know how one is made.
A cell leaves the pool once and never comes back. Refilling happens behind the
requests' back, a bounded number at a time.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed import FramedCell

MAX_FAILURES = 3
RETRY_DELAY_S = 0.1

log = logging.getLogger(__name__)


class WarmPool:
    """A pool of one warm profile.

    Args:
        make: makes one warm cell; raises ``SandboxFailure``.
        size: how many to keep waiting.
        parallel: how many to make at once.
    """

    def __init__(self, make: Callable[[], Awaitable[FramedCell]], size: int, parallel: int) -> None:
        self._make = make
        self._size = size
        self._parallel = parallel
        self._ready: deque[FramedCell] = deque()
        self._waiters: deque[asyncio.Future[FramedCell]] = deque()
        self._making: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._failures = 0

    @property
    def ready(self) -> int:
        """How many cells wait."""
        return len(self._ready)

    async def acquire(self, deadline_s: float) -> FramedCell:
        """Take a warm cell; the first who asks is the first who gets one.

        Raises:
            SandboxFailure: none could be made in time.
        """
        if self._closed:
            raise SandboxFailure("take a warm cell", "the pool is closed")
        while self._ready:
            cell = self._ready.popleft()
            self.refill()
            if cell.is_alive:
                return cell
            self._end(cell)
        waiter: asyncio.Future[FramedCell] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.refill()
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

    def refill(self) -> None:
        """Begin making what is missing, as far as parallelism allows."""
        while (
            not self._closed
            and len(self._making) < self._parallel
            and len(self._ready) + len(self._making) < self._size + len(self._waiters)
        ):
            task = asyncio.create_task(self._make_one())
            self._making.add(task)
            task.add_done_callback(self._made)

    def _made(self, task: "asyncio.Task[None]") -> None:
        self._making.discard(task)
        self.refill()

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
            await asyncio.sleep(RETRY_DELAY_S * min(self._failures, 20))
            return
        self._failures = 0
        self._offer(cell)

    def _offer(self, cell: FramedCell) -> None:
        if self._closed:
            self._end(cell)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(cell)
                return
        self._ready.append(cell)

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
        self.refill()

    async def close(self) -> None:
        """Destroy what waits; fail who waits; idempotent."""
        self._closed = True
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        self._fail_waiters(SandboxFailure("take a warm cell", "the pool is closed"))
        while self._ready:
            self._end(self._ready.popleft())
        while self._ending:
            await asyncio.wait(self._ending)
