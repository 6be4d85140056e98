"""The zygote and the warm cells of one profile, kept whole.

Owns the succession of zygotes (one dies, one fails, one is recycled so that its
address layout is not for ever) and the identity of each cell; refuses to know how an
outer wall is made: it is given a function that makes one. A zygote that is to
be recycled goes on forking until its successor is ready, so that nobody waits. One
that has failed to make a cell forks no more: it may have been taken over.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from vibecell.model.errors import SandboxFailure
from vibecell.model.measures import Measured
from vibecell.sandbox.backend import TellPosition
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.identity import CellIdentity, release_unborn
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.warming.background import Background
from vibecell.sandbox.warming.pool import ACQUIRE_DEADLINE_S, WarmPool
from vibecell.sandbox.warming.pool_tallies import PoolTallies

SUCCESSION_RETRY_S = 1.0
# Where no successor comes, a zygote is used no longer than this many times over.
MAX_OVERDUE = 2.0

log = logging.getLogger(__name__)


class Zygote:
    """A zygote, its wall, and the uids cells under it may have."""

    def __init__(
        self,
        link: ZygoteLink,
        new_identity: Callable[[], CellIdentity],
        close: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self.link = link
        self.new_identity = new_identity
        self.close = close


MakeZygote = Callable[[Callable[[ZygoteLink], None]], Awaitable[Zygote]]
"""Builds an outer wall with a ready zygote; is given what to call when that ends by itself."""


def counted(make_zygote: MakeZygote, tallies: PoolTallies) -> MakeZygote:
    """The same, with how often it did, and how often it could not."""

    async def make(on_end: Callable[[ZygoteLink], None]) -> Zygote:
        try:
            zygote = await make_zygote(on_end)
        except Exception:
            tallies.zygote_failed()
            raise
        tallies.zygote_started()
        return zygote

    return make


class ProfileCells:
    """Everything warm of one profile.

    Args:
        make_zygote: for the first zygote and each that follows.
        refill: decides how many warm cells are kept, and when one is made.
        max_forks, max_age_s: when a zygote is replaced.
        patience: as the pool has it.
        tallies: told of cells and zygotes.
    """

    def __init__(
        self,
        make_zygote: MakeZygote,
        refill: Refill,
        max_forks: int,
        max_age_s: float,
        patience: int,
        tallies: PoolTallies | None = None,
    ) -> None:
        self._tallies = tallies or PoolTallies()
        self._make_zygote = counted(make_zygote, self._tallies)
        self._max_forks = max_forks
        self._max_age_s = max_age_s
        self._zygote: Zygote | None = None
        self._retired: list[Zygote] = []
        self._succession = asyncio.Lock()
        self._background = Background()
        self._refill = refill
        self._succeeding: asyncio.Task[None] | None = None
        self._succeed_from_s = 0.0
        self._pool = WarmPool(self._make_cell, refill, patience, self._in_use, self._tallies)
        self._closed = False

    async def open(self) -> None:
        """Start the first zygote and begin to fill the pool.

        Raises:
            SandboxFailure: it could not be started.
        """
        await self._current_zygote()
        self._pool.fill()

    async def acquire(self, tell: TellPosition | None = None) -> FramedCell:
        """A warm cell nobody has used; see ``backend.Backend.acquire``.

        Raises:
            SandboxFailure: none could be made in time.
        """
        return await self._pool.acquire(ACQUIRE_DEADLINE_S, tell)

    def counts(self) -> dict[str, int]:
        """What there is at this moment, by name."""
        return self._pool.counts()

    def measured(self) -> Iterator[Measured]:
        """What is told of it to who operates it."""
        return self._tallies.measured(self.counts())

    def _in_use(self) -> int:
        """Cells that were made, wait no longer, and are not destroyed yet."""
        live = sum(zygote.link.live_cells for zygote in self._retired)
        if self._zygote is not None:
            live += self._zygote.link.live_cells
        return max(0, live - self._pool.ready)

    async def _current_zygote(self) -> Zygote:
        current = self._zygote
        if current is not None and current.link.is_alive:
            if self._is_spent(current):
                self._schedule_succession()
            if not self._is_spent(current, MAX_OVERDUE):
                return current
        return await self._succeed()

    async def _succeed(self) -> Zygote:
        """Have a zygote that is neither dead nor spent.

        Raises:
            SandboxFailure: it could not be started.
        """
        async with self._succession:
            current = self._zygote
            if current is not None and current.link.is_alive and not self._is_spent(current):
                return current
            self._zygote = await self._make_zygote(self._zygote_ended)
            self._zygote.link.on_cell_destroyed = self._refill.soon
            if current is not None:
                self._retired.append(current)
            self._close_idle()
            return self._zygote

    def _schedule_succession(self) -> None:
        """Start the next zygote behind everybody's back; not again at once after a failure."""
        if self._succeeding is None and time.monotonic() >= self._succeed_from_s:
            self._succeeding = asyncio.create_task(self._succeed_later())

    async def _succeed_later(self) -> None:
        try:
            await self._succeed()
        except Exception as error:
            foreign = not isinstance(error, SandboxFailure)
            log.warning("a zygote could not be replaced, it goes on: %s", error, exc_info=foreign)
            self._succeed_from_s = time.monotonic() + SUCCESSION_RETRY_S
        finally:
            self._succeeding = None

    def _is_spent(self, zygote: Zygote, times: float = 1.0) -> bool:
        link = zygote.link
        return link.forks >= self._max_forks * times or link.age_s > self._max_age_s * times

    def _close_idle(self) -> None:
        """End retired zygotes under which no cell lives any more."""
        for zygote in list(self._retired):
            if not zygote.link.is_alive or zygote.link.is_idle:
                self._retired.remove(zygote)
                self._background.run(zygote.close())

    def _zygote_ended(self, link: ZygoteLink) -> None:
        """Its link has; whether it has ended too, who may have been taken over, is seen to."""
        if not self._closed:
            log.error("a zygote ended by itself; its cells ended with it")
            self._tallies.zygote_lost()
            if self._zygote is not None and self._zygote.link is link:
                self._retire(self._zygote)
            self._pool.discard_dead()

    async def _make_cell(self) -> FramedCell:
        if self._closed:
            raise SandboxFailure("make a cell", "the backend is closing")
        zygote = await self._current_zygote()
        identity = zygote.new_identity()
        try:
            cell = await zygote.link.fork(identity)
        except BaseException as error:
            self._background.run(release_unborn(identity))
            if isinstance(error, SandboxFailure):
                if zygote.link.is_alive:  # else its end is counted
                    self._tallies.zygote_lost()
                self._retire(zygote)
            raise
        self._close_idle()
        return cell

    def _retire(self, zygote: Zygote) -> None:
        """Have it make no more cells; it is ended once none of those it has made is left."""
        if self._zygote is zygote:
            self._zygote = None
            self._retired.append(zygote)
        self._close_idle()

    async def close(self) -> None:
        """Destroy the waiting cells and end every zygote; idempotent."""
        self._closed = True
        if self._succeeding is not None:
            self._succeeding.cancel()
            await asyncio.gather(self._succeeding, return_exceptions=True)
        await self._pool.close()
        zygotes = [*self._retired, *([self._zygote] if self._zygote else [])]
        self._retired, self._zygote = [], None
        await asyncio.gather(*(zygote.close() for zygote in zygotes))
        await self._background.ended()
