"""The framed socket between the engine and one agent, as the engine holds it.

Owns whole frames out, one sender at a time, and bounded frames in, for one reader at a
time; and its close, after which nobody waits on it. Refuses to know what a frame is
about, but for one: a FAILURE is the last that comes. What breaks the protocol ends it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from typing import Any

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed import cell_reports
from vibecell.sandbox.mechanisms.deadlines import expire

RECEIVE_BYTES = 256 * 1024


class Channel:
    """One agent's socket, once its HELLO has been heard.

    Args:
        link: non-blocking; closed with this.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link_fd = link.fileno()
        self._loop = asyncio.get_running_loop()
        self._parser = frames.FrameParser(frames.TO_ENGINE)
        self._arrived: list[tuple[int, bytes]] = []
        self._fault: SandboxFailure | None = None
        self._is_gone = False
        self._is_listening = False
        self._listener: asyncio.Future[None] | None = None
        self._sending = asyncio.Lock()
        self._senders = 0

    @property
    def is_silent(self) -> bool:
        """Whether it is open and nothing has come that was not received."""
        try:
            self._link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # its end, or the report of a failure

    async def receive(self, deadline_s: float | None = None) -> list[tuple[int, bytes]] | None:
        """Frames as ``(type, payload)``, at least one; ``None`` when the cell is gone.

        For one caller at a time. While nobody calls, nothing is read: what a
        program prints then waits in its pipe.

        Args:
            deadline_s: by the loop's clock; ``None`` waits for ever.

        Raises:
            SandboxFailure: the agent reports a failure or breaks the protocol.
            TimeoutError: the deadline has passed.
        """
        while not self._arrived:
            if self._fault is not None:
                raise self._fault
            if self._is_gone:
                return None
            await self._heard(deadline_s)
        if deadline_s is not None and self._loop.time() >= deadline_s:
            raise TimeoutError  # who sends without end would always have sent something
        arrived, self._arrived = self._arrived, []
        return arrived

    def put_back(self, received: list[tuple[int, bytes]]) -> None:
        """Keep frames that came too early for their reader."""
        self._arrived = received

    async def _heard(self, deadline_s: float | None) -> None:
        listener = self._listener = self._loop.create_future()
        if not self._is_listening:
            self._is_listening = True
            self._loop.add_reader(self._link_fd, self._hear)
        timer = None
        if deadline_s is not None:
            timer = self._loop.call_at(deadline_s, expire, listener)
        try:
            await listener
        finally:
            self._listener = None
            if timer is not None:
                timer.cancel()

    def _hear(self) -> None:
        """Something is readable. It is watched on, as long as there is who takes it."""
        listener = self._listener
        if listener is None or listener.done():
            self._listen_no_more()
            return
        try:
            data = self._link.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._is_gone = True
            self._listen_no_more()
        else:
            self._understand(data)
        if self._arrived or self._fault is not None or self._is_gone:
            listener.set_result(None)

    def _understand(self, data: bytes) -> None:
        try:
            received = [(kind, payload) for kind, _, payload in self._parser.feed(data)]
            for kind, payload in received:
                if kind == frames.FAILURE:
                    raise cell_reports.failure(payload)
            self._arrived = received
        except frames.FrameError as error:
            self._fault = SandboxFailure("read from the cell", str(error))
        except SandboxFailure as error:
            self._fault = error

    def _listen_no_more(self) -> None:
        if self._is_listening:
            self._is_listening = False
            self._loop.remove_reader(self._link_fd)

    async def send(self, data: bytes) -> None:
        """Send whole frames, one sender at a time; a cancel cuts none in two.

        Who is cancelled before its turn has sent nothing, and leaves nothing behind.

        Raises:
            OSError: the cell is gone.
        """
        if not self._senders:
            sent = 0
            with contextlib.suppress(BlockingIOError):
                sent = self._link.send(data)
            if sent == len(data):
                return
            if sent:
                # at once, so that nobody comes between: the lock is free
                await self._sending.acquire()
                await self._kept(self._send_rest(data[sent:]))
                return
        self._senders += 1  # from here on: nobody overtakes who waits for its turn
        try:
            await self._sending.acquire()
            sending = self._kept(self._send_rest(data))
        finally:
            self._senders -= 1
        await sending

    def _kept(self, sending: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
        """Send to the end, even if nobody waits for it any more."""
        self._senders += 1
        task = self._loop.create_task(sending)
        task.add_done_callback(self._sent)
        return asyncio.shield(task)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._senders -= 1
        if not task.cancelled():
            task.exception()  # told to who waits; who has gone is not to be told

    async def _send_rest(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._link, data)
        finally:
            self._sending.release()

    def try_send(self, frame: bytes) -> bool:
        """Send one small frame now or not at all."""
        if self._senders:
            return False
        try:
            return self._link.send(frame) == len(frame)
        except OSError:
            return False

    async def close(self) -> None:
        """Close it once whoever still waits on it has been woken.

        A descriptor closed under a waiting task would be taken for the next
        one that gets its number.
        """
        self._listen_no_more()
        self._is_gone = True
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        while self._senders:
            await asyncio.sleep(0)
        self._link.close()
