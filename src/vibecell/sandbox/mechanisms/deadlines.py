"""Waiting for a descriptor or for the kernel, and ending who is held by a descriptor.

Owns the deadlines of descriptors; refuses to know whose they are.

Source: pidfd_open(2), pidfd_send_signal(2)
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from vibecell.model.stopping import DEATH_DEADLINE_S, LEAVE_GRACE_S

P = ParamSpec("P")
T = TypeVar("T")


def expire(waiter: "asyncio.Future[None]") -> None:
    """Tell who waits that it was too long; who has been told already is not."""
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _settle(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


async def readable(deadline_s: float, *descriptors: int) -> None:
    """Wait until one of them polls readable; a pidfd does when its process has ended.

    Raises:
        TimeoutError: none has, in so many seconds.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(deadline_s, expire, waiter)
    for descriptor in descriptors:
        loop.add_reader(descriptor, _settle, waiter)
    try:
        await waiter
    finally:
        timer.cancel()
        for descriptor in descriptors:
            loop.remove_reader(descriptor)


async def done(task: "asyncio.Task[T]") -> T:
    """What a task of one's own comes to; a cancel is heeded when it is done, and leaves it so."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        raise


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do in a thread what takes long in the kernel; raises what it raises.

    A cancel is heeded when it is done: what it works on is not given to others before.
    """
    task = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await done(task)
    except asyncio.CancelledError:
        task.exception()  # who asked is gone, and is told nothing
        raise


async def dead(pidfd: int) -> None:
    """Wait until a process that was killed has ended.

    Raises:
        TimeoutError: it has not, in ``DEATH_DEADLINE_S``.
    """
    await readable(DEATH_DEADLINE_S, pidfd)


async def end(pidfd: int) -> None:
    """Kill a process that was told to go, and does not by itself.

    Raises:
        OSError: it is not ours to kill, or was reaped that very moment.
    """
    try:
        await readable(LEAVE_GRACE_S, pidfd)
    except TimeoutError:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
