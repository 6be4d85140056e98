"""A cell reached through its framed socket, the same for every backend.

Owns the engine's end of the cell protocol and the end of a cell; refuses to
believe what a frame claims beyond its shape. Whatever a hostile agent sends,
the worst is the end of its own cell.

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
from collections.abc import Callable, Coroutine
from typing import Any

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import OutputFile
from vibecell.sandbox.backend import CellDied, ProcessSpec
from vibecell.sandbox.framed import cell_reports
from vibecell.sandbox.framed.process import FramedProcess, collect_frame, start_bytes
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms.deadlines import expire, readable

RECEIVE_BYTES = 256 * 1024
START_DEADLINE_S = 10.0
COLLECT_DEADLINE_S = 10.0
DEATH_DEADLINE_S = 5.0
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
    ) -> None:
        self.identity = identity
        self._zygote_is_alive = zygote_is_alive
        self._link = link
        self._link_fd = link.fileno()
        self._pidfd = pidfd
        self._start_message = start_message
        self._on_destroyed = on_destroyed
        self._loop = asyncio.get_running_loop()
        self._parser = frames.FrameParser(frames.TO_ENGINE)
        self._arrived: list[tuple[int, bytes]] = []
        self._fault: SandboxFailure | None = None
        self._is_gone = False
        self._is_listening = False
        self._listener: asyncio.Future[None] | None = None
        self._sending = asyncio.Lock()
        self._senders = 0
        self._destroying: asyncio.Task[None] | None = None
        self._process: FramedProcess | None = None
        self._collects: tuple[int, int] | None = None
        self._cpu_base_ns = 0
        self.birth_ns = (0, 0)

    @property
    def is_alive(self) -> bool:
        """Whether the agent still waits, silently, and the zygote above it lives.

        A zygote that dies closes its socket before the kernel ends its pid
        namespace, so for a moment its agents outlive it.
        """
        if not self._zygote_is_alive():
            return False
        try:
            self._link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # its end, or the report of a failure

    async def start(self, spec: ProcessSpec) -> FramedProcess:
        """See ``backend.Cell.start``."""
        process = FramedProcess(self, spec)
        cgroup = self.identity.cgroup
        deadline_s = self._loop.time() + START_DEADLINE_S
        try:
            if cgroup is not None:
                cgroup.set_limits(
                    memory_bytes=spec.limits.memory_bytes, processes=spec.limits.processes
                )
                self._cpu_base_ns = cgroup.cpu_time_ns()
            feeds_early = not spec.interactive and len(spec.stdin) <= EARLY_STDIN_BYTES
            async with asyncio.timeout_at(deadline_s):
                await self.send(start_bytes(spec, self._start_message(spec), feeds_early))
            self._collects = spec.collects
            spec.marks.note("start")
            await self._expect(frames.STARTED, deadline_s)
        except TimeoutError as error:
            raise SandboxFailure("start the program", "the cell does not answer") from error
        except OSError as error:
            raise CellDied("start the program", str(error)) from error
        self._process = process
        process.began()
        if not feeds_early:
            process.feed(spec)
        return process

    async def _expect(self, wanted: int, deadline_s: float) -> None:
        received = await self.receive(deadline_s)
        if received is None:
            raise CellDied("start the program", "the cell died")
        kind, _ = received[0]
        if kind != wanted:
            raise SandboxFailure("start the program", f"unexpected frame {kind:#x}")
        self.put_back(received[1:])

    def put_back(self, received: list[tuple[int, bytes]]) -> None:
        """Keep frames that came too early for their reader."""
        self._arrived = received

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
        arrived, self._arrived = self._arrived, []
        return arrived

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
        await self._kept(self._send_whole(data))

    async def _kept(self, sending: Coroutine[Any, Any, None]) -> None:
        self._senders += 1
        task = self._loop.create_task(sending)
        task.add_done_callback(self._sent)
        await asyncio.shield(task)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._senders -= 1
        if not task.cancelled():
            task.exception()  # told to who waits; who has gone is not to be told

    async def _send_whole(self, data: bytes) -> None:
        await self._sending.acquire()
        await self._send_rest(data)

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

    def cpu_time_ms(self) -> float | None:
        """Processor time since the start of the process; ``None`` without cgroup."""
        cgroup = self.identity.cgroup
        return None if cgroup is None else (cgroup.cpu_time_ns() - self._cpu_base_ns) / 1e6

    def memory_peak_bytes(self) -> int | None:
        """Highest use of memory; ``None`` without cgroup."""
        cgroup = self.identity.cgroup
        return None if cgroup is None else cgroup.memory_peak_bytes()

    def processes_peak(self) -> int | None:
        """Most processes at once; ``None`` where the kernel does not say."""
        cgroup = self.identity.cgroup
        return None if cgroup is None else cgroup.processes_peak()

    def watch_oom(self, call: Callable[[], None] | None) -> None:
        """Have ``call`` called when the kernel kills for memory (cgroup v1)."""
        if self.identity.oom_alarm is not None and self._destroying is None:
            self.identity.oom_alarm.call = call

    async def collect(self, max_files: int, max_bytes: int) -> tuple[OutputFile, ...]:
        """See ``backend.Cell.collect``."""
        try:
            return await self._collect(max_files, max_bytes)
        except TimeoutError as error:
            raise SandboxFailure("collect files", "the cell does not answer") from error

    async def _collect(self, max_files: int, max_bytes: int) -> tuple[OutputFile, ...]:
        deadline_s = self._loop.time() + COLLECT_DEADLINE_S
        if self._collects != (max_files, max_bytes):
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self.send(collect_frame(max_files, max_bytes))
            except TimeoutError:
                raise  # an OSError too
            except OSError as error:
                raise SandboxFailure("collect files", str(error)) from error
        self._collects = None
        files: list[tuple[str, bytearray]] = []
        total = 0
        while (received := await self.receive(deadline_s)) is not None:
            for kind, payload in received:
                if kind == frames.COLLECTED:
                    return tuple(OutputFile(path, bytes(content)) for path, content in files)
                if kind == frames.FILE and len(files) < max_files:
                    files.append((cell_reports.file_name(payload), bytearray()))
                elif kind == frames.FILE_DATA and files and total + len(payload) <= max_bytes:
                    files[-1][1].extend(payload)
                    total += len(payload)
                else:
                    raise SandboxFailure("collect files", "more than was asked for")
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
            self.kill()
            try:
                await readable(DEATH_DEADLINE_S, self._pidfd)
            except TimeoutError:
                self._kill_cgroup()
                raise
            await self.identity.release()
        except Exception:
            log.exception("a cell could not be ended; its uid and cgroup are not used again")
        finally:
            await self._close_link()
            os.close(self._pidfd)
            self._on_destroyed()

    async def _close_link(self) -> None:
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
