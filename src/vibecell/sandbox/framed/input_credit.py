"""How much input a cell may still be sent.

Owns the account of what an agent holds, by what it was sent and says it has passed on;
refuses what it cannot have passed on. So input never fills the socket that controls take,
and an agent that tells nothing holds up its own input, nobody else.
"""

import asyncio

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure


class InputCredit:
    """The input of one process, for one sender at a time.

    Args:
        held_bytes: what went out with its start.
    """

    def __init__(self, held_bytes: int = 0) -> None:
        self._held_bytes = held_bytes
        self._is_closed = False
        self._changed = asyncio.Event()

    @property
    def is_spent(self) -> bool:
        """Whether the agent holds something that it has not passed on."""
        return self._held_bytes > 0

    async def spend(self, size_bytes: int) -> bool:
        """Wait until there is room, and take it; false once nothing is to be sent any more.

        Args:
            size_bytes: at most ``frames.INPUT_CHUNK_BYTES``.
        """
        while not self._is_closed and self._held_bytes + size_bytes > frames.INPUT_WINDOW_BYTES:
            self._changed.clear()
            await self._changed.wait()
        self._held_bytes += size_bytes
        return not self._is_closed

    def taken(self, size_bytes: int) -> None:
        """The agent has passed so much on.

        Raises:
            SandboxFailure: more than it was sent, or nothing.
        """
        if not 0 < size_bytes <= self._held_bytes:
            raise SandboxFailure("read from the cell", "it took input that it was not sent")
        self._held_bytes -= size_bytes
        self._changed.set()

    def close(self) -> None:
        """Nothing is to be sent any more: who waits is let go."""
        self._is_closed = True
        self._changed.set()
