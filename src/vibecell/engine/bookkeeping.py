"""What was used, on its way to where it is kept.

Owns when the ledger is read and written: once at the start, then about once a second what
has come, and at the end the rest; in a thread of its own, since a disk may be slow. Refuses to
start on a store that cannot be read and written, and to lose anything while one cannot be:
it stays in memory, where quotas are kept as ever, and is tried again. An engine that is killed
loses the last second of what had ended, and what ran then is charged to nobody.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from vibecell.model.caller import DAY_S
from vibecell.model.errors import StoreUnavailable, forget_frames
from vibecell.sharing.ledger import Ledger, LedgerStore

WRITE_INTERVAL_S = 1.0
#: How long it may not be possible to write before nobody's day is trusted any more.
OVERDUE_S = 60.0
#: How long the host's clock has to tell the same day before what was before it is forgotten.
SETTLED_S = 3600.0
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Bookkeeping:
    """Writes one engine's ledger.

    Args:
        store: where to; not yet open.
        clock: seconds since 1970-01-01, in UTC.
        steady_clock: seconds, monotonic.

    Attributes:
        ledger: what was used; empty until ``open``.
    """

    def __init__(
        self,
        store: LedgerStore,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._steady_clock = steady_clock
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._failing_since_s: float | None = None
        self._told_day, self._told_since_s = self._today(), steady_clock()
        self._over_before = self._forgotten_before = 0
        self._closing = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self.ledger = Ledger()

    @property
    def is_overdue(self) -> bool:
        """Whether it could not be written for so long that use of a day cannot be bounded."""
        failing_s = self._failing_since_s
        return failing_s is not None and self._steady_clock() - failing_s >= OVERDUE_S

    async def open(self) -> None:
        """Read what is known of today, and keep writing from now on.

        Raises:
            StoreUnavailable: it cannot be read, or not be written.
        """
        await self._in_thread(self._store.open)
        self.ledger = Ledger(await self._in_thread(partial(self._store.load, self._today())))
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write the rest, and let go of the store."""
        self._closing.set()
        if self._keeping is not None:
            await self._keeping
            if self._failing_since_s is not None:
                _LOG.error("what was used lately is lost: it could not be written")
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    async def write(self) -> None:
        """Write what has come since; where that fails, it is kept for the next time."""
        first = self._first_kept()
        taken = self.ledger.take_unwritten()
        if not taken and first == self._forgotten_before and self._failing_since_s is None:
            return
        try:
            sums = await self._in_thread(partial(self._store.add, taken, first))
        except StoreUnavailable as error:
            self.ledger.not_written(taken)
            if self._failing_since_s is None:
                self._failing_since_s = self._steady_clock()
                _LOG.error("what was used is kept in memory, and written later: %s", error)
            forget_frames(error)
            return
        self.ledger.written(sums)
        self.ledger.forget_before(first)
        self._forgotten_before, self._failing_since_s = first, None

    async def _keep(self) -> None:
        """Write about once a second, and a last time when it is closed: nothing cancels that."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_INTERVAL_S):
                    await self._closing.wait()
            await self.write()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _first_kept(self) -> int:
        """Days before this one are forgotten; yesterday's executions may still run.

        A clock that is set far forward and back again costs nobody's sums: it has to stay where
        it is for a while before it is believed that a day is over.
        """
        today, now_s = self._today(), self._steady_clock()
        if today != self._told_day:
            self._told_day, self._told_since_s = today, now_s
        if now_s - self._told_since_s >= SETTLED_S:
            self._over_before = today - 1
        return min(self._over_before, today - 1)

    def _today(self) -> int:
        return int(self._clock() // DAY_S)


def require_usable(store: LedgerStore) -> None:
    """Make sure that an engine can start on this store, which is closed again.

    Raises:
        StoreUnavailable: it cannot.
    """
    try:
        store.open()
    finally:
        store.close()
