"""The numbered events of executions, kept for whoever reads them, when.

Owns numbering, replay, and the memory all logs share; refuses events after
the last one. An event becomes the line that the engine link sends when the first
reader comes to it, and stays one: any number of readers costs one encoding,
and no reader costs none.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

from vibecell.model.events import Display, Event, Finished, NumberedEvent, Stream
from vibecell.wire.link import encode_internal_event

# what an execution costs besides its events: objects, tables, the task
FIXED_BYTES = 4096
_LINE_BYTES = 64
_SMALL_EVENT_BYTES = 512
_MAX_BATCH_BYTES = 256 * 1024


class EventLog:
    """The events of one execution.

    Args:
        grown: told of every further byte kept.
    """

    def __init__(self, grown: Callable[[int], None] = lambda _: None) -> None:
        self._lines: list[bytes | NumberedEvent] = []
        self._grown = grown
        self._waiters: set[asyncio.Future[None]] = set()
        self._ending: set[asyncio.Future[None]] = set()
        self._finished = False
        self.size_bytes = 0

    @property
    def finished(self) -> bool:
        """Whether the last event is there."""
        return self._finished

    @property
    def last_seq(self) -> int:
        """Number of the newest event; 0 if there is none."""
        return len(self._lines)

    def append(self, event: Event) -> int:
        """Keep an event; returns its number.

        Raises:
            RuntimeError: the log is finished; a second end would break a law.
        """
        if self._finished:
            raise RuntimeError("an event after the last one")
        seq = len(self._lines) + 1
        numbered = NumberedEvent(seq, event)
        if isinstance(event, Finished | Display):  # only encoding tells their size
            line = encode_internal_event(numbered)
            size_bytes = len(line) + _LINE_BYTES
            self._lines.append(line)
        else:
            size_bytes = _most_bytes(event) + _LINE_BYTES
            self._lines.append(numbered)
        self._finished = isinstance(event, Finished)
        self.size_bytes += size_bytes
        self._grown(size_bytes)
        for waiter in (*self._waiters, *(self._ending if self._finished else ())):
            if not waiter.done():
                waiter.set_result(None)
        return seq

    async def read(self, after: int = 0) -> AsyncIterator[bytes]:
        """Lines of the events after ``after``, in batches; ends after the last one.

        A reader holds up nobody: it takes what is there, when it comes.
        """
        at = after
        while True:
            batch, at = self._batch(at)
            if batch:
                yield batch
            elif self._finished:
                return
            else:
                await self._woken(self._waiters)

    async def last_line(self) -> bytes:
        """The line of the last event, once it is there; wakes for nothing else."""
        if not self._finished:
            await self._woken(self._ending)
        return self._line(-1)

    def result_object(self) -> object:
        """The link form of the result, once finished; ``None`` before."""
        return json.loads(self._line(-1))["result"] if self._finished else None

    def _batch(self, at: int) -> tuple[bytes, int]:
        taken: list[bytes] = []
        size_bytes = 0
        while at < len(self._lines) and size_bytes < _MAX_BATCH_BYTES:
            line = self._line(at)
            taken.append(line)
            size_bytes += len(line)
            at += 1
        return b"".join(taken), at

    def _line(self, at: int) -> bytes:
        line = self._lines[at]
        if isinstance(line, NumberedEvent):
            line = self._lines[at] = encode_internal_event(line)
        return line

    @staticmethod
    async def _woken(waiters: set[asyncio.Future[None]]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters.add(waiter)
        try:
            await waiter
        finally:
            waiters.discard(waiter)


def _most_bytes(event: Event) -> int:
    """What the line of an event that is not encoded yet may take."""
    return _SMALL_EVENT_BYTES + (len(event.data) * 4 // 3 if isinstance(event, Stream) else 0)


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
