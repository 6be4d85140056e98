"""The body of one request, and what becomes of one that nobody read.

Owns where a body ends, by its length or by its chunks, and the bound on what
is discarded so that the connection can go on, and that what was read of it counts as held
until it is let go; refuses to let a byte of one
request be read as the next one, and pieces that carry next to nothing.

Source: RFC 9112 sections 6.2 and 7.1; RFC 9110 section 10.1.1 (100 Continue).
"""

import re
from collections.abc import Iterator
from typing import Any

from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.http.header_fields import Fields, HeaderTooLarge, WrongFields
from vibecell.gateway.http.turns import Pieces
from vibecell.model.caller import Owner

#: Of the line that says a chunk's size, its extensions included.
MAX_CHUNK_LINE_BYTES = 1024
#: Of all extensions of one body. Source: RFC 9112 section 7.1.1 asks for a bound.
MAX_EXTENSION_BYTES = 8 * 1024
MAX_TRAILER_BYTES = 8 * 1024
_PIECE_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# a bare line feed or carriage return within an extension ends the line for some readers
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*;[^\r\n\0]*)?\r\n\Z")


class WrongBody(OSError):
    """The body is framed wrongly: nothing that follows can be trusted."""


class Body:
    """A request's body, as WSGI has it; leftovers are discarded up to a bound.

    Args:
        stream: buffered; what follows the body is left in it.
        connection: whose turns it takes.
        length: bytes of it, as declared; ``None``: chunked, or none.
        chunked: whether it comes in chunks.
        expected: the client waits for 100 Continue.
        discard_bytes: the bound on leftovers.
        rooms: where what is read of it is held.
    """

    __slots__ = (
        "_broken",
        "_chunked",
        "_connection",
        "_discard_bytes",
        "_expected",
        "_extension_bytes",
        "_held",
        "_is_kept",
        "_left",
        "_pieces",
        "_rooms",
        "stream",
    )

    def __init__(
        self,
        stream: Any,
        connection: Connection,
        length: int | None,
        chunked: bool,
        expected: bool,
        discard_bytes: int,
        rooms: BodyRooms,
    ) -> None:
        self.stream = stream
        self._connection = connection
        self._left = length or 0  # of the body, or of the chunk under way
        self._chunked = chunked  # and the last chunk is still to come
        self._expected = expected
        self._discard_bytes = discard_bytes
        self._pieces = Pieces() if chunked else None
        self._extension_bytes = 0
        self._broken = False
        self._rooms = rooms
        self._held: dict[Owner, int] = {}
        self._is_kept = True  # by who reads it

    @property
    def complete(self) -> bool:
        """Nothing of the body is left in the connection."""
        return not (self._left or self._chunked or self._broken)

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, less only at the end; all there are, where it is negative.

        Raises:
            TimeoutError: the body's deadline passed.
            WrongBody: it is framed wrongly.
            OSError: it broke off.
            CapacityError: there is no room for so much of it; nothing more was read.
        """
        if self._broken:
            raise WrongBody("the body was framed wrongly")
        if self._expected:
            self._expected = False
            if not self.complete:
                # who asks before he sends is not told to send what is refused at once
                self._rooms.require_room(self._connection, max(self._left, 1))
                self._connection.send_all(_CONTINUE)
        wanted = -1 if size is None else size
        pieces: list[bytes] = []
        while wanted and (self._left or self._next_chunk()):
            piece = self._taken(self._left if wanted < 0 else min(wanted, self._left))
            pieces.append(piece)
            if wanted > 0:
                wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        """A line with its end, or so many bytes of it; raises what ``read`` does."""
        line = bytearray()
        most = -1 if size is None else size
        while len(line) != most and not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return bytes(line)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """All lines, whatever the hint; raises what ``read`` does."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        """Line by line; raises what ``read`` does."""
        while line := self.readline():
            yield line

    def _taken(self, size: int) -> bytes:
        size = min(size, _PIECE_BYTES)
        if self._is_kept:  # before it comes: the buffer waits for all of it
            holder = self._rooms.take(self._connection, size)
            self._held[holder] = self._held.get(holder, 0) + size
        piece: bytes = self.stream.read(size)
        if len(piece) < size:
            raise self._wrong("the body broke off")
        self._left -= size
        if self._chunked and not self._left and self.stream.read(2) != b"\r\n":
            raise self._wrong("a chunk has not the length that it says")
        return piece

    def _next_chunk(self) -> bool:
        """Read the line before a chunk; ``False`` where the body has ended."""
        if not self._chunked:
            return False
        self._connection.take_turn()
        match = _CHUNK_LINE.match(self.stream.readline(MAX_CHUNK_LINE_BYTES))
        if match is None:
            raise self._wrong("no size of a chunk")
        self._extension_bytes += len(match[2] or b"")
        if self._extension_bytes > MAX_EXTENSION_BYTES:
            raise self._wrong("too many extensions of chunks")
        size = int(match[1], 16)
        if size == 0:
            self._skip_trailers()
            self._chunked = False
            return False
        if self._pieces is not None and self._pieces.too_many(size):
            raise self._wrong("too many chunks for what they carry")
        self._left = size
        return True

    def _skip_trailers(self) -> None:
        try:
            Fields.read(self.stream, MAX_TRAILER_BYTES)
        except (WrongFields, HeaderTooLarge) as error:
            raise self._wrong("the fields after the last chunk are none") from error

    def _wrong(self, what: str) -> WrongBody:
        """The error to raise; nothing more is read after it."""
        self._broken = True
        return WrongBody(what)

    def let_go(self) -> None:
        """Nobody has anything of it any more; idempotent, and nothing of what follows is kept."""
        self._is_kept = False
        while self._held:
            self._rooms.give_back(*self._held.popitem())

    def _discard(self) -> None:
        """Called by pywsgi behind the application, which may have left something."""
        self.let_go()
        self._expected = False  # whoever waits for 100 Continue is not told to go on
        left = self._discard_bytes
        while left > 0 and not self._broken and (piece := self.read(min(16384, left))):
            left -= len(piece)
