"""The zygote and the warm cells of one profile, kept whole.

Owns the succession of zygotes (one dies, one is recycled so that its address
layout is not for ever) and the identity of each cell; refuses to know how an
outer wall is made: it is given a function that makes one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed import FramedCell
from vibecell.sandbox.identity import CellIdentity
from vibecell.sandbox.pool import WarmPool
from vibecell.sandbox.zygote_link import ZygoteLink

ACQUIRE_DEADLINE_S = 30.0

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


class ProfileCells:
    """Everything warm of one profile.

    Args:
        make_zygote: builds an outer wall with a ready zygote; is given what
            to call when that zygote ends by itself.
        size: warm cells to keep.
        parallel: cells to make at once.
        max_forks, max_age_s: when a zygote is replaced.
    """

    def __init__(
        self,
        make_zygote: Callable[[Callable[[ZygoteLink], None]], Awaitable[Zygote]],
        size: int,
        parallel: int,
        max_forks: int,
        max_age_s: float,
    ) -> None:
        self._make_zygote = make_zygote
        self._max_forks = max_forks
        self._max_age_s = max_age_s
        self._zygote: Zygote | None = None
        self._retired: list[Zygote] = []
        self._succession = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = WarmPool(self._make_cell, size, parallel)
        self._closed = False

    async def open(self) -> None:
        """Start the first zygote and begin to fill the pool.

        Raises:
            SandboxFailure: it could not be started.
        """
        await self._current_zygote()
        self._pool.refill()

    async def acquire(self) -> FramedCell:
        """A warm cell nobody has used.

        Raises:
            SandboxFailure: none could be made in time.
        """
        return await self._pool.acquire(ACQUIRE_DEADLINE_S)

    @property
    def ready(self) -> int:
        """How many warm cells wait."""
        return self._pool.ready

    async def _current_zygote(self) -> Zygote:
        async with self._succession:
            current = self._zygote
            if current is not None and current.link.is_alive and not self._is_spent(current):
                return current
            self._zygote = await self._make_zygote(self._zygote_ended)
            if current is not None:
                self._retired.append(current)
            self._close_idle()
            return self._zygote

    def _is_spent(self, zygote: Zygote) -> bool:
        return zygote.link.forks >= self._max_forks or zygote.link.age_s > self._max_age_s

    def _close_idle(self) -> None:
        """End retired zygotes under which no cell lives any more."""
        for zygote in list(self._retired):
            if not zygote.link.is_alive or zygote.link.live_cells == 0:
                self._retired.remove(zygote)
                self._run(zygote.close())

    def _zygote_ended(self, link: ZygoteLink) -> None:
        if not self._closed:
            log.error("a zygote ended by itself; its cells ended with it")
            self._pool.discard_dead()

    async def _make_cell(self) -> FramedCell:
        if self._closed:
            raise SandboxFailure("make a cell", "the backend is closing")
        zygote = await self._current_zygote()
        identity = zygote.new_identity()
        try:
            cell = await zygote.link.fork(identity)
        except BaseException:
            self._run(_release(identity))
            raise
        self._close_idle()
        return cell

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Destroy the waiting cells and end every zygote; idempotent."""
        self._closed = True
        await self._pool.close()
        zygotes = [*self._retired, *([self._zygote] if self._zygote else [])]
        self._retired, self._zygote = [], None
        for zygote in zygotes:
            zygote.link.close()
            await zygote.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _release(identity: CellIdentity) -> None:
    """Give back the identity of a cell that never came to be."""
    try:
        await identity.release()
    except Exception:
        log.exception("the identity of a cell that failed is not used again")
