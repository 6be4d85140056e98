"""The engine's hold on a zygote: ask for cells, notice its end.

Owns the control socket and the making of a cell from a fork; refuses to know
how the outer wall around the zygote was made.
"""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.backend import ProcessSpec
from vibecell.sandbox.framed import cell_reports
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms.deadlines import readable
from vibecell.wire.unix_sockets import UCRED, Credentials

READY_DEADLINE_S = 60.0
HELLO_DEADLINE_S = 10.0
_CREDENTIALS_SPACE_BYTES = socket.CMSG_SPACE(UCRED.size)
_FIRST_FRAMES = frozenset({frames.HELLO, frames.FAILURE})


class ZygoteLink:
    """A zygote that is ready to fork.

    Attributes:
        forks: how many cells it has made.
        live_cells: how many of them have not been destroyed yet.
        on_cell_destroyed: called when one has been.
    """

    def __init__(
        self,
        control: socket.socket,
        start_message: Callable[[ProcessSpec], dict[str, object]],
        on_end: Callable[["ZygoteLink"], None],
    ) -> None:
        self._control = control
        self._start_message = start_message
        self._on_end = on_end
        self._born_s = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self.forks = 0
        self.live_cells = 0
        self._forking = 0
        self.on_cell_destroyed: Callable[[], None] = lambda: None
        self.is_alive = False

    async def set_up(self, message: dict[str, object]) -> None:
        """Send the zygote its set-up and wait until its modules are imported.

        Raises:
            SandboxFailure: it could not; names its step.
        """
        self._control.setblocking(False)
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                await self._loop.sock_sendall(self._control, json.dumps(message).encode())
                answer = await self._loop.sock_recv(self._control, frames.MAX_CONTROL_BYTES)
        except (OSError, TimeoutError) as error:
            raise SandboxFailure("start a zygote", str(error) or "it does not answer") from error
        if answer != b'{"ready":true}':
            raise SandboxFailure("start a zygote", cell_reports.said(answer) or "it died")
        self.is_alive = True
        self._loop.add_reader(self._control, self._ended)

    def _ended(self) -> None:
        """A ready zygote says nothing more: whatever is readable is its end."""
        self.close()
        self._on_end(self)

    @property
    def is_idle(self) -> bool:
        """Whether no cell lives under it and none is being made."""
        return not self.live_cells and not self._forking

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._born_s

    async def fork(self, identity: CellIdentity) -> FramedCell:
        """Make a warm cell.

        Raises:
            SandboxFailure: the fork or the cell's set-up failed, or took too long.
        """
        asked_ns = time.monotonic_ns()
        here, there = socket.socketpair()
        self._forking += 1
        try:
            here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            here.setblocking(False)
            with there:
                self._request_fork(identity, there)
            pid = await self._hello(here)
            pidfd = os.pidfd_open(pid)
        except (OSError, TimeoutError) as error:
            here.close()
            raise SandboxFailure("make a cell", str(error) or "it does not answer") from error
        except BaseException:  # a cancel too: what is forked ends when its link closes
            here.close()
            raise
        finally:
            self._forking -= 1
        self.forks += 1
        self.live_cells += 1
        cell = FramedCell(
            here,
            pidfd,
            identity,
            self._start_message,
            self._cell_destroyed,
            lambda: self.is_alive,
            pid,
        )
        cell.birth_ns = (asked_ns, time.monotonic_ns())
        return cell

    def _request_fork(self, identity: CellIdentity, there: socket.socket) -> None:
        join_fds = identity.cgroup.join_descriptors() if identity.cgroup is not None else []
        message = json.dumps({"uid": identity.uid}).encode()
        socket.send_fds(self._control, [message], [there.fileno(), *join_fds])

    async def _hello(self, link: socket.socket) -> int:
        """Wait for the agent's first frame; return its pid as we see it.

        Source: unix(7), SO_PASSCRED: the kernel translates the pid into the
        receiver's namespace, so a cell cannot choose it.
        """
        parser = frames.FrameParser(_FIRST_FRAMES)
        deadline_s = self._loop.time() + HELLO_DEADLINE_S
        while True:
            await readable(deadline_s - self._loop.time(), link.fileno())
            data, ancillary, _, _ = link.recvmsg(4096, _CREDENTIALS_SPACE_BYTES)
            if not data:
                raise SandboxFailure("make a cell", "it died before it was warm")
            try:
                received = parser.feed(data)
            except frames.FrameError as error:
                raise SandboxFailure("make a cell", str(error)) from error
            if not received:
                continue
            kind, _, payload = received[0]
            if kind == frames.FAILURE:
                raise cell_reports.failure(payload)
            if cell_reports.control(payload).get("protocol") != frames.PROTOCOL_VERSION:
                raise SandboxFailure("make a cell", "it speaks another protocol version")
            pid = Credentials(*UCRED.unpack(ancillary[0][2])).pid
            if pid <= 0:
                raise SandboxFailure("make a cell", "its pid cannot be seen from here")
            return pid

    def _cell_destroyed(self) -> None:
        self.live_cells -= 1
        self.on_cell_destroyed()

    def close(self) -> None:
        """Let the zygote go, and with it every cell it made; idempotent."""
        self.is_alive = False
        with contextlib.suppress(ValueError, OSError):
            self._loop.remove_reader(self._control)
        self._control.close()
