"""A program that is seen to wait, where nothing is executed.

Owns when it is told, by ``backend.ProcessSpec.tell_waiting``; refuses to know what it waits for.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vibecell.sandbox.bounds import STILL_S


@contextmanager
def seen_waiting(tell: Callable[[bool], None] | None) -> Iterator[None]:
    """Around a wait for input; ``None``: nobody wants to know."""
    if tell is None:
        yield
        return
    telling = asyncio.get_running_loop().call_later(STILL_S, tell, True)
    try:
        yield
    finally:
        telling.cancel()
        tell(False)
