"""Warm cells of one profile, each behind an outer wall of its own.

Owns the tie between a cell and its wall: the wall is made with the cell, ahead
of any request, and ends with it; refuses to use either a second time. The zygote
behind such a wall forks once. Walls that are being taken down are counted, so
that a tool which is slow at it is not asked for ever more of them.
"""

import asyncio
import logging
from collections.abc import Iterator

from vibecell.model.errors import SandboxFailure
from vibecell.model.measures import Measured
from vibecell.sandbox.backend import TellPosition
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.identity import release_unborn
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.warming.background import Background
from vibecell.sandbox.warming.pool import ACQUIRE_DEADLINE_S, WarmPool
from vibecell.sandbox.warming.pool_tallies import PoolTallies
from vibecell.sandbox.warming.profile_cells import MakeZygote, Zygote, counted

MAX_ENDING = 16

log = logging.getLogger(__name__)


class FreshCells:
    """Everything warm of one profile; see ``profile_cells.ProfileCells``.

    Args:
        make_zygote: as in ``profile_cells``.
        refill: decides how many warm cells are kept, and when one is made.
        patience: as the pool has it.
        tallies: told of cells and zygotes.
    """

    def __init__(
        self,
        make_zygote: MakeZygote,
        refill: Refill,
        patience: int,
        tallies: PoolTallies | None = None,
    ) -> None:
        self._tallies = tallies or PoolTallies()
        self._make_zygote = counted(make_zygote, self._tallies)
        self._refill = refill
        self._standing: set[Zygote] = set()
        self._ending = Background()
        self._room = asyncio.Semaphore(MAX_ENDING)
        self._pool = WarmPool(self._make_cell, refill, patience, self._in_use, self._tallies)
        self._closed = False

    async def open(self) -> None:
        """Begin to fill the pool."""
        self._pool.fill()

    async def acquire(self, tell: TellPosition | None = None) -> FramedCell:
        """A warm cell nobody has used, behind a wall nobody has been behind.

        Raises:
            SandboxFailure: none could be made in time.
        """
        return await self._pool.acquire(ACQUIRE_DEADLINE_S, tell)

    def counts(self) -> dict[str, int]:
        """What there is at this moment, by name; ``ending`` are walls being taken down."""
        return {**self._pool.counts(), "ending": len(self._ending)}

    def measured(self) -> Iterator[Measured]:
        """What is told of it to who operates it."""
        return self._tallies.measured(self.counts())

    def _in_use(self) -> int:
        return max(0, len(self._standing) - self._pool.ready)

    async def _make_cell(self) -> FramedCell:
        if self._closed:
            raise SandboxFailure("make a cell", "the backend is closing")
        async with self._room:  # so many walls may be ending, no more
            zygote = await self._make_zygote(self._zygote_ended)
        try:
            identity = zygote.new_identity()
            try:
                cell = await zygote.link.fork(identity)
            except BaseException:
                self._ending.run(release_unborn(identity))
                raise
        except BaseException:
            self._ending.run(self._close_wall(zygote))
            raise
        self._standing.add(zygote)
        zygote.link.on_cell_destroyed = lambda: self._end_wall(zygote)
        return cell

    def _end_wall(self, zygote: Zygote) -> None:
        if zygote not in self._standing:
            return  # it was taken down before its cell was destroyed
        self._standing.discard(zygote)
        self._ending.run(self._close_wall(zygote))
        self._refill.soon()

    async def _close_wall(self, zygote: Zygote) -> None:
        async with self._room:
            await zygote.close()

    def _zygote_ended(self, _link: ZygoteLink) -> None:
        if not self._closed:
            log.error("a zygote ended by itself; its cell ended with it")
            self._tallies.zygote_lost()
            self._pool.discard_dead()

    async def close(self) -> None:
        """Destroy the waiting cells and take down every wall; idempotent."""
        self._closed = True
        await self._pool.close()
        for zygote in tuple(self._standing):
            self._end_wall(zygote)
        await self._ending.ended()
