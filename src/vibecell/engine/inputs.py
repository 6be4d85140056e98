"""Input on its way to a program, in order and bounded.

Owns the buffer between clients and a process's standard input; refuses input
after its end. A program that does not read holds up its writers, nobody else.
"""

import asyncio
from collections import deque

from vibecell.model.errors import Conflict
from vibecell.sandbox.backend import Process

MAX_BUFFERED_BYTES = 256 * 1024


class Inputs:
    """Standard input of one execution.

    Args:
        open_: whether clients may write at all; otherwise all input came with
            the request.
    """

    def __init__(self, open_: bool) -> None:
        self._open = open_
        self._buffer: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, data: bytes) -> None:
        """Take input; waits while the program is behind.

        Raises:
            Conflict: input has ended, or the program has.
        """
        async with self._changed:
            self._require_open()
            await self._changed.wait_for(
                lambda: not self._open or self._buffered_bytes < MAX_BUFFERED_BYTES
            )
            self._require_open()
            self._buffer.append(data)
            self._buffered_bytes += len(data)
            self._changed.notify_all()

    async def end(self) -> None:
        """No more input; a second end is none."""
        async with self._changed:
            if self._open:
                self._open, self._ended = False, True
                self._changed.notify_all()

    async def close(self) -> None:
        """The program has ended: writers give up."""
        if not self._open and not self._buffer:
            return  # nobody waits: writers are let in only while it is open
        async with self._changed:
            self._open = False
            self._buffer.clear()
            self._changed.notify_all()

    async def feed(self, process: Process) -> None:
        """Pass everything on, until the end of input or of this task."""
        while (data := await self._take()) is not None:
            await process.write_stdin(data)
        await process.end_stdin()

    async def _take(self) -> bytes | None:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._buffer) or self._ended)
            if not self._buffer:
                return None
            data = self._buffer.popleft()
            self._buffered_bytes -= len(data)
            self._changed.notify_all()
            return data

    def _require_open(self) -> None:
        if not self._open:
            raise Conflict("the program takes no more input")
