"""The log of an execution that has ended, as bytes.

Owns how a finished log and what is known of its execution lie in one piece of bytes, and
the reading of it; refuses further events. Its messages are those of the engine link, one
after the other, so that a reader is sent them as they lie.
"""

import contextlib
import mmap
import struct
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec
from msgspec import msgpack

from vibecell.engine.event_log import MAX_BATCH_BYTES, EventLog
from vibecell.engine.memory_pages import MAX_SHARED_BYTES
from vibecell.model.caller import Owner
from vibecell.model.execution import Encoding, OnDisconnect, Result
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import LENGTH_BYTES, decode_result, message_bytes

# when it ended, in seconds; bytes of the label, of all messages and of the last one; how many;
# whether a display is among them
_HEAD = struct.Struct("<dIIII?")


class Label(msgspec.Struct, frozen=True, array_like=True):
    """What is known of an execution besides its log; see ``Kept``."""

    owner: Owner
    encoding: Encoding
    on_disconnect: OnDisconnect
    key: str | None
    language: str
    begun_at_us: int
    ended_at_ms: int | None
    verdict: Verdict | None


_LABEL = msgpack.Decoder(Label)
_encode_label = msgpack.Encoder().encode


def packed(label: Label, log: EventLog, ended_at: float) -> bytes | None:
    """A finished log in one piece; ``None`` where part of it lies in a file already."""
    messages = log.all_messages()
    if messages is None:
        return None
    data, last_bytes = b"".join(messages), len(messages[-1])
    told = _encode_label(label)
    sizes = (len(told), len(data), last_bytes, len(messages))
    return _HEAD.pack(ended_at, *sizes, log.has_displays) + told + data


def label_at(page: mmap.mmap, offset: int) -> tuple[Label, float]:
    """The label of a piece and when it was packed, without what it is the label of."""
    ended_at, label_bytes, *_ = _HEAD.unpack_from(page, offset)
    begin = offset + _HEAD.size
    return _LABEL.decode(page[begin : begin + label_bytes]), ended_at


def ended_at(page: mmap.mmap, offset: int) -> float:
    """When a piece was packed."""
    moment: float = _HEAD.unpack_from(page, offset)[0]
    return moment


class FinishedLog:
    """The log in a piece; reads as an ``EventLog`` does.

    Args:
        page: where the piece lies; is held as long as this is, where that is a large one, which
            has it alone. A small one is copied: nothing of it is left there once it is forgotten.
        offset: of its first byte.

    Attributes:
        label: what it is the log of.
        ended_at: seconds, of the clock that it was packed by.
        piece_bytes: of all of it.
        last_seq: number of the last event.
        has_displays: whether a display is among its events.
    """

    def __init__(self, page: mmap.mmap, offset: int) -> None:
        ended_at, label_bytes, log_bytes, last_bytes, count, shows = _HEAD.unpack_from(page, offset)
        self.piece_bytes = _HEAD.size + label_bytes + log_bytes
        self._data: mmap.mmap | bytes = page
        if self.piece_bytes <= MAX_SHARED_BYTES:
            self._data, offset = page[offset : offset + self.piece_bytes], 0
        self._begin = offset + _HEAD.size + label_bytes
        self._end = self._begin + log_bytes
        self._last_at = self._end - last_bytes
        self.label = _LABEL.decode(self._data[offset + _HEAD.size : self._begin])
        self.ended_at: float = ended_at
        self.last_seq: int = count
        self.finished = True
        self.has_displays: bool = shows

    async def read(self, after: int = 0) -> AsyncIterator[bytes]:
        """Messages of the events after ``after``, in batches; ends after the last one."""
        at = self._begin
        for _ in range(after):
            at = self._next(at)
        while at < self._end:
            begin = at
            while at < self._end and at - begin < MAX_BATCH_BYTES:
                at = self._next(at)
            yield self._data[begin:at]

    async def last_message(self) -> bytes:
        """The message of the last event."""
        return self._data[self._last_at : self._end]

    def messages(self, seqs: Iterable[int]) -> dict[int, bytes]:
        """The messages of some events that are there, in rising order, by their numbers."""
        found = {}
        at, at_seq = self._begin, 1
        for seq in seqs:
            while at_seq < seq:
                at, at_seq = self._next(at), at_seq + 1
            found[seq] = self._data[at : self._next(at)]
        return found

    def result(self) -> Result:
        """The result."""
        return decode_result(self._data[self._last_at + LENGTH_BYTES : self._end])

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing to do: who has this has the page."""
        yield

    def _next(self, at: int) -> int:
        return at + LENGTH_BYTES + message_bytes(self._data[at : at + LENGTH_BYTES])
