"""Work that goes on behind everybody's back.

Owns it until it has ended, so that it is neither collected half-done nor left behind;
refuses its results: it must tell by itself what goes wrong.

Source: asyncio.create_task, "Important"
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Tasks that nobody waits for, until all are waited for; its length is how many go on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait until all of it has ended, whatever is begun meanwhile included."""
        while self._tasks:
            await asyncio.wait(self._tasks)
