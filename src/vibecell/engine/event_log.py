"""The numbered events of executions, kept for whoever reads them, when.

Owns numbering and replay; refuses events after the last one. An event becomes the
message that the engine link sends when the first reader comes to it, and stays one:
any number of readers costs one encoding, and no reader costs none.

The newest events are in memory. Beyond a bound, the older ones lie in a file, as
messages (``spill.py``), so that a program may print a lot and the engine stays small.
How long a log is kept, and in what form once it is finished, is ``keeping.py``'s.
"""

import asyncio
import contextlib
import time
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from vibecell.engine.spill import SpillFile
from vibecell.model.errors import PlatformError, forget_frames
from vibecell.model.events import Display, Event, Finished, NumberedEvent, Stream
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import LENGTH_BYTES, decode_result, encode_message

_OBJECT_BYTES = 64
_SMALL_EVENT_BYTES = 512
MAX_BATCH_BYTES = 256 * 1024
DEFAULT_MEMORY_BYTES = 1024 * 1024


class EventLog:
    """The events of one execution.

    Args:
        grown: told of every further byte kept, wherever it is kept.
        memory_bytes: what comes before the newest so many is put aside.
        directory: where to; ``None`` keeps everything in memory.

    Attributes:
        has_displays: whether a display is among its events.
        verdict, ended_at_ms: of the last event, and when it came, in milliseconds of Unix
            time; ``None`` before.
        fault: what came once something could not be put aside. Nothing is lost,
            but it stays in memory: no more output may be taken.
    """

    def __init__(
        self,
        grown: Callable[[int], None] = lambda _: None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        directory: Path | None = None,
    ) -> None:
        self._messages: list[bytes | NumberedEvent] = []
        self._sizes = array("Q")
        self._held_bytes = 0
        self._memory_bytes = memory_bytes
        self._aside = None if directory is None else SpillFile(directory)
        self._ends_aside = array("Q")
        self._grown = grown
        self._waiters: set[asyncio.Future[None]] = set()
        self._ending: set[asyncio.Future[None]] = set()
        self._finished = False
        self._holders = 0
        self._forgotten = False
        self.has_displays = False
        self.verdict: Verdict | None = None
        self.ended_at_ms: int | None = None
        self.fault: PlatformError | None = None
        self.size_bytes = 0

    @property
    def finished(self) -> bool:
        """Whether the last event is there."""
        return self._finished

    @property
    def last_seq(self) -> int:
        """Number of the newest event; 0 if there is none."""
        return len(self._ends_aside) + len(self._messages)

    def append(self, event: Event) -> int:
        """Keep an event; returns its number.

        Raises:
            RuntimeError: the log is finished; a second end would break a law.
        """
        if self._finished:
            raise RuntimeError("an event after the last one")
        seq = self.last_seq + 1
        numbered = NumberedEvent(seq, event)
        self.has_displays = self.has_displays or isinstance(event, Display)
        if isinstance(event, Finished | Display):  # only encoding tells their size
            message = encode_message(numbered)
            size_bytes = len(message) + _OBJECT_BYTES
            self._messages.append(message)
        else:
            size_bytes = _most_bytes(event) + _OBJECT_BYTES
            self._messages.append(numbered)
        if isinstance(event, Finished):
            self._finished = True
            self.verdict = event.result.verdict
            self.ended_at_ms = time.time_ns() // 1_000_000
        self._sizes.append(size_bytes)
        self._held_bytes += size_bytes
        if self._held_bytes > self._memory_bytes and not self._finished:
            self._put_aside()
        self.size_bytes += size_bytes
        self._grown(size_bytes)
        for waiter in (*self._waiters, *(self._ending if self._finished else ())):
            if not waiter.done():
                waiter.set_result(None)
        return seq

    async def read(self, after: int = 0) -> AsyncIterator[bytes]:
        """Messages of the events after ``after``, in batches; ends after the last one.

        A reader holds up nobody: it takes what is there, when it comes. Where
        the log may be forgotten meanwhile, it is to be ``held``.

        Raises:
            PlatformError: what was put aside cannot be read back.
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

    async def last_message(self) -> bytes:
        """The message of the last event, once it is there; wakes for nothing else."""
        if not self._finished:
            await self._woken(self._ending)
        return self._message(-1)

    def messages(self, seqs: Iterable[int]) -> dict[int, bytes]:
        """The messages of some events that are there, by their numbers.

        Raises:
            PlatformError: one was put aside and cannot be read back.
        """
        return {seq: self._numbered(seq) for seq in seqs}

    def _numbered(self, seq: int) -> bytes:
        at = seq - 1
        if at < len(self._ends_aside):
            assert self._aside is not None
            begin = self._ends_aside[at - 1] if at else 0
            return self._aside.read(begin, self._ends_aside[at] - begin)
        return self._message(at - len(self._ends_aside))

    def result(self) -> Result | None:
        """The result, once finished; ``None`` before."""
        return decode_result(self._message(-1)[LENGTH_BYTES:]) if self._finished else None

    def all_messages(self) -> list[bytes] | None:
        """One of each event; ``None`` where some were put aside."""
        if self._ends_aside:
            return None
        return [self._message(at) for at in range(len(self._messages))]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep what was put aside for a reader, even if the log is forgotten."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            self._close_unheld()

    def forget(self) -> None:
        """It is not kept any more: its file goes with its last holder."""
        self._forgotten = True
        self._close_unheld()

    def _close_unheld(self) -> None:
        if self._forgotten and not self._holders and self._aside is not None:
            self._aside.close()

    def _batch(self, at: int) -> tuple[bytes, int]:
        if at < len(self._ends_aside):
            return self._batch_aside(at)
        at -= len(self._ends_aside)
        taken: list[bytes] = []
        size_bytes = 0
        while at < len(self._messages) and size_bytes < MAX_BATCH_BYTES:
            message = self._message(at)
            taken.append(message)
            size_bytes += len(message)
            at += 1
        return b"".join(taken), at + len(self._ends_aside)

    def _batch_aside(self, at: int) -> tuple[bytes, int]:
        ends = self._ends_aside
        assert self._aside is not None
        begin = ends[at - 1] if at else 0
        upto = max(at + 1, bisect_right(ends, begin + MAX_BATCH_BYTES, lo=at))
        return self._aside.read(begin, ends[upto - 1] - begin), upto

    def _put_aside(self) -> None:
        """All but the newest half, and never the newest one, in one piece."""
        if self._aside is None or self.fault is not None:
            return
        count, left_bytes = 0, self._held_bytes
        while left_bytes > self._memory_bytes // 2 and count < len(self._messages) - 1:
            left_bytes -= self._sizes[count]
            count += 1
        if not count:
            return
        messages = [self._message(at) for at in range(count)]
        end = self._aside.size_bytes
        try:
            self._aside.append(b"".join(messages))
        except PlatformError as error:
            forget_frames(error)
            self.fault = error
            return
        for message in messages:
            end += len(message)
            self._ends_aside.append(end)
        del self._messages[:count], self._sizes[:count]
        self._held_bytes = left_bytes

    def _message(self, at: int) -> bytes:
        message = self._messages[at]
        if isinstance(message, NumberedEvent):
            message = self._messages[at] = encode_message(message)
        return message

    @staticmethod
    async def _woken(waiters: set[asyncio.Future[None]]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters.add(waiter)
        try:
            await waiter
        finally:
            waiters.discard(waiter)


def _most_bytes(event: Event) -> int:
    """What the message of an event that is not encoded yet may take."""
    return _SMALL_EVENT_BYTES + (len(event.data) if isinstance(event, Stream) else 0)
