"""Which finished executions are kept, and for how long.

Owns their time to live and the bytes that all logs share, in memory and put
aside; refuses to drop a live one.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from vibecell.engine.event_log import EventLog

# what an execution costs besides its events: objects, tables, the task
FIXED_BYTES = 4096


class Retention:
    """Which finished executions are still kept.

    Live ones are never dropped: their number is bounded by admission and their
    size by their output limit.

    Args:
        ttl_s: how long after its end one is kept.
        budget_bytes: of all logs together; beyond it the one finished first goes.
        forget: told the id of each one dropped.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        ttl_s: float,
        budget_bytes: int,
        forget: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_s = ttl_s
        self._budget_bytes = budget_bytes
        self._forget = forget
        self._clock = clock
        self._finished: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.used_bytes = 0

    def grown(self, size_bytes: int) -> None:
        """Some log keeps so many bytes more."""
        self.used_bytes += size_bytes
        if self.used_bytes > self._budget_bytes:
            self.sweep()

    def begun(self) -> None:
        """An execution is kept from now on."""
        self.grown(FIXED_BYTES)

    def ended(self, execution_id: str, log: EventLog) -> None:
        """An execution is finished; its time to live begins."""
        self._finished[execution_id] = (self._clock(), log.size_bytes + FIXED_BYTES)
        self.sweep()

    def sweep(self) -> None:
        """Drop what is too old, then what is too much."""
        now = self._clock()
        while self._finished:
            execution_id, (ended_at, size_bytes) = next(iter(self._finished.items()))
            expired = now - ended_at >= self._ttl_s
            if not expired and self.used_bytes <= self._budget_bytes:
                return
            del self._finished[execution_id]
            self.used_bytes -= size_bytes
            self._forget(execution_id)
