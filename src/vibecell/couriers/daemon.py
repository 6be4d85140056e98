"""A courier as a process: its socket, its start and its end.

Owns the conversations on a socket that its parent bound; refuses whoever is not the gateway's
user, root or its own, and more than a few at once.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator

from vibecell.config import Settings
from vibecell.couriers.fetching import FetchFailed
from vibecell.couriers.key_sets import KeySets
from vibecell.model.errors import ProtocolViolation
from vibecell.wire import courier_link as wire
from vibecell.wire.link import LENGTH_BYTES, message_bytes
from vibecell.wire.unix_sockets import peer

MAX_CONVERSATIONS = 64
CALL_TIMEOUT_S = 5.0
_LOG = logging.getLogger(__name__)


def run_courier(settings: Settings, listener: socket.socket, allowed_uids: frozenset[int]) -> None:
    """Fetch for the gateway until SIGTERM or SIGINT.

    Args:
        settings: without any key.
        listener: bound and listening, of the Unix domain.
        allowed_uids: who may ask.
    """
    asyncio.run(_run(KeySets(settings.identity_providers), listener, allowed_uids))


async def _run(key_sets: KeySets, listener: socket.socket, allowed_uids: frozenset[int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(key_sets, listener, allowed_uids):
        await stop.wait()


@contextlib.asynccontextmanager
async def serving(
    key_sets: KeySets, listener: socket.socket, allowed_uids: frozenset[int]
) -> AsyncIterator[None]:
    """Answer on a socket, for the time of a block."""
    busy = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy
        busy += 1
        try:
            asking = peer(writer.get_extra_info("socket"))
            if busy <= MAX_CONVERSATIONS and asking.uid in allowed_uids:
                await _answer(key_sets, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            _LOG.debug("a conversation ended early: %s", error)
        except ProtocolViolation as error:
            _LOG.warning("what was asked is no call: %s", error)
        finally:
            busy -= 1
            writer.close()

    server = await asyncio.start_unix_server(converse, sock=listener)
    async with server:
        yield


async def _answer(
    key_sets: KeySets, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async with asyncio.timeout(CALL_TIMEOUT_S):
        size_bytes = message_bytes(await reader.readexactly(LENGTH_BYTES))
        if size_bytes > wire.MAX_CALL_BYTES:
            raise ProtocolViolation("read what was asked", "it is too long")
        call = wire.decode_call(await reader.readexactly(size_bytes))
    try:
        reply: wire.Reply = wire.KeySetReply(await key_sets.document(call.provider, call.anew))
    except FetchFailed as error:
        _LOG.warning("no keys of the identity provider %s: %s", call.provider, error)
        reply = wire.FailedReply(str(error)[:1024])
    async with asyncio.timeout(CALL_TIMEOUT_S):
        writer.write(wire.encode_message(reply))
        await writer.drain()
