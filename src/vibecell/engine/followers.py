"""Who follows executions over the engine's socket, and whether he still does.

Owns the bound on connections that follow, of a key and of each of its users, and how it is
learnt that the other end has left, whatever it has left unread or unsaid. Refuses to cancel:
what a leaving means is not the engine's to decide.
"""

import asyncio
import select
from collections.abc import Iterator
from contextlib import contextmanager

from vibecell.engine.event_log import EventLog
from vibecell.engine.finished_log import FinishedLog
from vibecell.model.caller import Owner
from vibecell.model.errors import QueueFull
from vibecell.sharing.held import Held

# Most results come sooner, and cost no more than this timer; who waits longer is
# looked after for having left.
SHORT_WAIT_S = 0.25


class Followers:
    """Counts connections that follow.

    Args:
        max_per_key: of them at once, of all users of a key together.
    """

    def __init__(self, max_per_key: int) -> None:
        self._max_per_key = max_per_key
        self._held = Held()

    @contextmanager
    def place(self, owner: Owner) -> Iterator[None]:
        """One of the owner's places, for the time of a block.

        Raises:
            QueueFull: all of them are taken, or all of his key's.
        """
        full = self._held.full_for(owner, self._max_per_key)
        if full is not None:
            most = f"at most {'' if full == 'key' else 'your share of '}{self._max_per_key}"
            raise QueueFull(f"{most} connections at once follow for your key")
        self._held.add(owner)
        try:
            yield
        finally:
            self._held.remove(owner)


async def last_message(log: EventLog | FinishedLog, reader: asyncio.StreamReader) -> bytes | None:
    """The message of the last event; ``None`` where the client left or spoke before."""
    try:
        async with asyncio.timeout(SHORT_WAIT_S):
            return await log.last_message()
    except TimeoutError:
        pass  # it is no short one
    heard = asyncio.create_task(reader.read(1))
    ended = asyncio.create_task(log.last_message())
    try:
        await asyncio.wait((heard, ended), return_when=asyncio.FIRST_COMPLETED)
        return None if heard.done() else ended.result()
    finally:
        # a read that was cancelled has taken nothing: the next call is whole
        heard.cancel()
        ended.cancel()
        await asyncio.gather(heard, ended, return_exceptions=True)


def has_left(writer: asyncio.StreamWriter) -> bool:
    """Whether the client has closed its end, or half of it, unread bytes or not.

    Source: poll(2), POLLRDHUP: also for stream sockets of the Unix domain.
    """
    socket = writer.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
