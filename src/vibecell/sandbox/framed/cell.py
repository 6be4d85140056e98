"""The life of one framed cell, the same for every backend: from its HELLO to its end.

Owns start, collection and destruction; refuses to believe what a frame claims beyond
its shape. Whatever a hostile agent sends, the worst is the end of its own cell.

End of a cell, in this order: the agent is killed by pidfd, with which the
kernel ends its pid namespace; ``cgroup.kill`` is the second, independent means,
for whatever that has left; only a cgroup proved empty is given back, and only
then is the uid used again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.marks import Marks
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import NOTHING_LEFT, CellDied, Collection, ProcessSpec
from vibecell.sandbox.framed import cell_reports, orders
from vibecell.sandbox.framed.channel import Channel
from vibecell.sandbox.framed.collecting import Collecting
from vibecell.sandbox.framed.meters import Meters
from vibecell.sandbox.framed.process import FramedProcess
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms.deadlines import dead

START_DEADLINE_S = 10.0
# input no longer than this goes out with the start: it fits whatever pipe there is
EARLY_STDIN_BYTES = 16 * 1024

log = logging.getLogger(__name__)


class FramedCell:
    """A cell whose agent has said HELLO; see ``backend.Cell``."""

    def __init__(
        self,
        link: socket.socket,
        pidfd: int,
        identity: CellIdentity,
        start_message: Callable[[ProcessSpec], dict[str, object]],
        on_destroyed: Callable[[], None],
        zygote_is_alive: Callable[[], bool] = lambda: True,
        agent_pid: int | None = None,
    ) -> None:
        self.identity = identity
        self._zygote_is_alive = zygote_is_alive
        self._channel = Channel(link)
        self._meters = Meters(identity.cgroup, identity.oom_alarm, agent_pid)
        self._pidfd = pidfd
        self._start_message = start_message
        self._on_destroyed = on_destroyed
        self._loop = asyncio.get_running_loop()
        self._destroying: asyncio.Task[None] | None = None
        self._process: FramedProcess | None = None
        self._collects: tuple[int, int] | None = None
        self.birth_ns = (0, 0)

    @property
    def is_alive(self) -> bool:
        """Whether the agent still waits, silently, and the zygote above it lives.

        A zygote that dies closes its socket before the kernel ends its pid
        namespace, so for a moment its agents outlive it.
        """
        return self._zygote_is_alive() and self._channel.is_silent

    async def start(self, spec: ProcessSpec) -> FramedProcess:
        """See ``backend.Cell.start``."""
        feeds_early = not spec.interactive and len(spec.stdin) <= EARLY_STDIN_BYTES
        fed_bytes = len(spec.stdin) if feeds_early else 0
        process = FramedProcess(self._channel, self._meters, self.kill, spec, fed_bytes)
        deadline_s = self._loop.time() + START_DEADLINE_S
        sent_ns = started_ns = time.monotonic_ns()
        try:
            self._meters.set_limits(spec.limits)
            async with asyncio.timeout_at(deadline_s):
                order = orders.start(spec, self._start_message(spec), feeds_early)
                await self._channel.send(order)
            self._collects = spec.collects
            spec.marks.note("start")
            started = await self._expect(frames.STARTED, deadline_s)
            started_ns = cell_reports.started_ns(started, sent_ns, time.monotonic_ns())
        except TimeoutError as error:
            raise SandboxFailure("start the program", "the cell does not answer") from error
        except (OSError, SandboxFailure) as error:
            if self._meters.memory_limit_hit():
                process.never_begins()
            elif isinstance(error, OSError):
                raise CellDied("start the program", str(error)) from error
            else:
                raise
        self._process = process
        process.run_clocks(started_ns)
        self._note_birth(spec.marks)
        if not feeds_early:
            process.feed(spec)
        return process

    async def _expect(self, wanted: int, deadline_s: float) -> bytes:
        received = await self._channel.receive(deadline_s)
        if received is None:
            raise CellDied("start the program", "the cell died")
        kind, payload = received[0]
        if kind != wanted:
            raise SandboxFailure("start the program", f"unexpected frame {kind:#x}")
        self._channel.put_back(received[1:])
        return payload

    def _note_birth(self, marks: Marks) -> None:
        asked_ns, hello_ns = self.birth_ns
        marks.note("fork_asked", asked_ns)
        marks.note("hello", hello_ns)

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        """See ``backend.Cell.collect``."""
        try:
            return await self._collect(max_files, max_bytes)
        except TimeoutError as error:
            raise SandboxFailure("collect files", "the cell does not answer") from error

    async def _collect(self, max_files: int, max_bytes: int) -> Collection:
        if self._process is not None and not self._process.has_begun:
            return NOTHING_LEFT
        deadline_s = self._loop.time() + bounds.COLLECT_DEADLINE_S
        if self._collects != (max_files, max_bytes):
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._channel.send(orders.collect(max_files, max_bytes))
            except TimeoutError:
                raise  # an OSError too
            except OSError as error:
                raise SandboxFailure("collect files", str(error)) from error
        self._collects = None
        collecting = Collecting(max_files, max_bytes)
        while (received := await self._channel.receive(deadline_s)) is not None:
            for kind, payload in received:
                collection = collecting.take(kind, payload)
                if collection is not None:
                    return collection
        raise SandboxFailure("collect files", "the cell died")

    def kill(self) -> None:
        """End every process of the cell now, by both means.

        While it is destroyed by the first alone: that looks whether it was enough.
        """
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if self._destroying is None:
            self._kill_cgroup()

    def _kill_cgroup(self) -> None:
        if self.identity.cgroup is not None:
            self.identity.cgroup.kill()

    async def destroy(self) -> None:
        """See ``backend.Cell.destroy``."""
        if self._destroying is None:
            self._destroying = asyncio.create_task(self._destroy())
        await asyncio.shield(self._destroying)

    async def _destroy(self) -> None:
        try:
            if self._process is not None:
                self._process.abandon()
            self._meters.let_go()
            self.kill()
            try:
                await dead(self._pidfd)
            except TimeoutError:
                self._kill_cgroup()
                raise
            await self.identity.release()
        except Exception:
            log.exception("a cell could not be ended; its uid and cgroup are not used again")
        finally:
            await self._channel.close()
            os.close(self._pidfd)
            self._on_destroyed()
