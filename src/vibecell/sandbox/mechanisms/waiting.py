"""Waiting for a descriptor, and ending who is held by one.

Owns the deadlines of both; refuses to know whose descriptor it is.

Source: pidfd_open(2), pidfd_send_signal(2)
"""

import asyncio
import signal

END_GRACE_S = 0.5


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


async def end(pidfd: int) -> None:
    """Kill a process that was told to go, and does not by itself.

    Raises:
        OSError: it is not ours to kill, or was reaped that very moment.
    """
    try:
        await readable(END_GRACE_S, pidfd)
    except TimeoutError:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
