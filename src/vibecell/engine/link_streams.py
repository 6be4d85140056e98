"""The engine's end of one connection: what it may hold of a client, and for how long.

Owns how far the engine reads ahead of itself, whole messages, and the end of a
connection; refuses to know what messages say. The rule, for every connection alike: of
what a client says there are at most ``READ_AHEAD_BYTES`` twice over and the one message
that is being read, which has a bound and a deadline. Of what a client is told, what it
does not read is dropped a moment after the conversation. And once a connection has ended
nothing of it waits for the collector: what was held is free at once.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from vibecell.model.errors import MalformedRequest, forget_frames
from vibecell.wire.link import LENGTH_BYTES, message_bytes
from vibecell.wire.unix_sockets import BACKLOG

# of what a client says, before it is asked for; a stream reader takes twice as much
READ_AHEAD_BYTES = 64 * 1024
# from its first bytes to its last: a client says a message in one go
MESSAGE_TIMEOUT_S = 30.0
# for a client to read what it was told last
FLUSH_TIMEOUT_S = 5.0

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def start_listening(talk: Talk, listener: socket.socket) -> asyncio.Server:
    """Take connections of a socket; each is ``talk``'s, which has to ``leave`` it.

    Args:
        talk: holds the whole conversation.
        listener: bound.
    """
    loop = asyncio.get_running_loop()

    def connection() -> _LinkProtocol:
        reader = asyncio.StreamReader(limit=READ_AHEAD_BYTES, loop=loop)
        return _LinkProtocol(reader, talk, loop=loop)

    # asyncio listens once more, and would for a hundred
    return await loop.create_unix_server(connection, sock=listener, backlog=BACKLOG)


async def read_message(reader: asyncio.StreamReader, most_bytes: int) -> bytes | bytearray:
    """One message; nothing where the client has left.

    Its beginning is waited for as long as it takes: that holds no memory.

    Raises:
        MalformedRequest: it is empty or too long, or its end does not come.
    """
    try:
        size_bytes = message_bytes(await reader.readexactly(LENGTH_BYTES))
        if not 0 < size_bytes <= most_bytes:
            raise MalformedRequest("the message is empty or too long")
        message = await reader.read(size_bytes)
        if len(message) == size_bytes:  # as nearly always: it came in one piece
            return message
        async with asyncio.timeout(MESSAGE_TIMEOUT_S):
            return await _whole(reader, message, size_bytes)
    except TimeoutError:
        raise MalformedRequest("the message did not come to its end in time") from None
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def _whole(reader: asyncio.StreamReader, begun: bytes, size_bytes: int) -> bytes | bytearray:
    """A message piece by piece: asking for all of it would have the reader hold it, too."""
    message = bytearray(begun)
    while len(message) < size_bytes:
        piece = await reader.read(min(size_bytes - len(message), READ_AHEAD_BYTES))
        if not piece:
            return b""
        message += piece
    return message


async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection, and free what was held for it."""
    transport = writer.transport
    writer.close()
    try:
        if transport.get_write_buffer_size():
            with contextlib.suppress(TimeoutError, OSError):  # it does not read, or has left
                async with asyncio.timeout(FLUSH_TIMEOUT_S):
                    await writer.wait_closed()
    finally:
        if transport.get_write_buffer_size():
            transport.abort()
        if (error := reader.exception()) is not None:
            forget_frames(error)


class _LinkProtocol(asyncio.StreamReaderProtocol):
    """A stream's protocol that does not keep the frames in which its connection broke.

    The reader keeps the error, the error its traceback, and that the frames of whoever was
    reading or writing: the reader again, and the batch of events that was being sent.
    """

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            forget_frames(exc)
        super().connection_lost(exc)
