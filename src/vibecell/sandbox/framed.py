"""A cell reached through its framed socket, the same for every backend.

Owns the engine's end of the cell protocol and the end of a cell; refuses to
believe what a frame claims beyond its shape. Whatever a hostile agent sends,
the worst is the end of its own cell.

End of a cell, in this order: the agent is killed by pidfd, with which the
kernel ends its pid namespace; ``cgroup.kill`` is the second, independent means;
only a cgroup proved empty is removed, and only then is the uid used again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import OutputFile
from vibecell.sandbox import claims
from vibecell.sandbox.backend import ProcessSpec
from vibecell.sandbox.framed_process import WRITE_CHUNK_BYTES, FramedProcess
from vibecell.sandbox.identity import CellIdentity

RECEIVE_BYTES = 256 * 1024
START_DEADLINE_S = 10.0
COLLECT_DEADLINE_S = 10.0
DEATH_DEADLINE_S = 5.0

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
        self._pidfd = pidfd
        self._start_message = start_message
        self._on_destroyed = on_destroyed
        self._loop = asyncio.get_running_loop()
        self._parser = frames.FrameParser(frames.TO_ENGINE)
        self._early: list[tuple[int, bytes]] = []
        self._sending = asyncio.Lock()
        self._waiting = 0
        self._destroying: asyncio.Task[None] | None = None
        self._process: FramedProcess | None = None
        self._cpu_base_ns = 0
        self._on_oom: Callable[[], None] | None = None

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
        try:
            if cgroup is not None:
                cgroup.set_limits(
                    memory_bytes=spec.limits.memory_bytes, processes=spec.limits.processes
                )
                self._cpu_base_ns = cgroup.usage().cpu_time_ns
            await self.send(_start_bytes(spec, self._start_message(spec)))
            async with asyncio.timeout(START_DEADLINE_S):
                await self._expect(frames.STARTED)
        except (OSError, TimeoutError) as error:
            raise SandboxFailure("start the program", str(error)) from error
        self._process = process
        process.began()
        process.feed(spec)
        return process

    async def _expect(self, wanted: int) -> None:
        while True:
            received = await self.receive()
            if received is None:
                raise SandboxFailure("start the program", "the cell died")
            if received:
                break
        kind, _ = received[0]
        if kind != wanted:
            raise SandboxFailure("start the program", f"unexpected frame {kind:#x}")
        self.put_back(received[1:])

    def put_back(self, received: list[tuple[int, bytes]]) -> None:
        """Keep frames that came too early for their reader."""
        self._early = received

    async def receive(self) -> list[tuple[int, bytes]] | None:
        """Frames as ``(type, payload)``; ``None`` when the cell is gone.

        Raises:
            SandboxFailure: the agent reports a failure or breaks the protocol.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        self._waiting += 1
        try:
            data = await self._loop.sock_recv(self._link, RECEIVE_BYTES)
        except OSError:
            return None
        finally:
            self._waiting -= 1
        if not data:
            return None
        try:
            received = [(kind, payload) for kind, _, payload in self._parser.feed(data)]
        except frames.FrameError as error:
            raise SandboxFailure("read from the cell", str(error)) from error
        for kind, payload in received:
            if kind == frames.FAILURE:
                raise claims.failure(payload)
        return received

    async def send(self, data: bytes) -> None:
        """Send whole frames, one sender at a time; a cancel cuts none in two."""
        await asyncio.shield(self._loop.create_task(self._send_whole(data)))

    async def _send_whole(self, data: bytes) -> None:
        self._waiting += 1
        try:
            async with self._sending:
                await self._loop.sock_sendall(self._link, data)
        finally:
            self._waiting -= 1

    def try_send(self, frame: bytes) -> bool:
        """Send one small frame now or not at all."""
        if self._sending.locked():
            return False
        try:
            return self._link.send(frame) == len(frame)
        except OSError:
            return False

    def cpu_time_ms(self) -> float | None:
        """Processor time since the start of the process; ``None`` without cgroup."""
        if self.identity.cgroup is None:
            return None
        return (self.identity.cgroup.usage().cpu_time_ns - self._cpu_base_ns) / 1e6

    def memory_peak_bytes(self) -> int | None:
        """Highest use of memory; ``None`` without cgroup."""
        cgroup = self.identity.cgroup
        return None if cgroup is None else cgroup.usage().memory_peak_bytes

    def processes_peak(self) -> int | None:
        """Most processes at once; ``None`` where the kernel does not say."""
        cgroup = self.identity.cgroup
        return None if cgroup is None else cgroup.usage().processes_peak

    def watch_oom(self, call: Callable[[], None] | None) -> None:
        """Have ``call`` called when the kernel kills for memory (cgroup v1)."""
        fd = self.identity.oom_eventfd
        if fd is None:
            return
        if self._on_oom is not None:
            self._loop.remove_reader(fd)
        self._on_oom = call
        if call is not None:
            self._loop.add_reader(fd, self._oom, fd)

    def _oom(self, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 8)
        if self._on_oom is not None:
            self._on_oom()

    async def collect(self, max_files: int, max_bytes: int) -> tuple[OutputFile, ...]:
        """See ``backend.Cell.collect``."""
        try:
            async with asyncio.timeout(COLLECT_DEADLINE_S):
                return await self._collect(max_files, max_bytes)
        except TimeoutError as error:
            raise SandboxFailure("collect files", "the cell does not answer") from error

    async def _collect(self, max_files: int, max_bytes: int) -> tuple[OutputFile, ...]:
        message: dict[str, object] = {"max_files": max_files, "max_bytes": max_bytes}
        try:
            await self.send(frames.encode_control(frames.COLLECT, message))
        except OSError as error:
            raise SandboxFailure("collect files", str(error)) from error
        files: list[tuple[str, bytearray]] = []
        total = 0
        while (received := await self.receive()) is not None:
            for kind, payload in received:
                if kind == frames.COLLECTED:
                    return tuple(OutputFile(path, bytes(content)) for path, content in files)
                if kind == frames.FILE and len(files) < max_files:
                    files.append((claims.file_name(payload), bytearray()))
                elif kind == frames.FILE_DATA and files and total + len(payload) <= max_bytes:
                    files[-1][1].extend(payload)
                    total += len(payload)
                else:
                    raise SandboxFailure("collect files", "more than was asked for")
        raise SandboxFailure("collect files", "the cell died")

    def kill(self) -> None:
        """End every process of the cell now, by both means."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
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
            await wait_for_exit(self._pidfd, DEATH_DEADLINE_S)
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
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        while self._waiting:
            await asyncio.sleep(0)
        self._link.close()


async def wait_for_exit(pidfd: int, deadline_s: float) -> None:
    """Wait until the process behind a pidfd has ended.

    Raises:
        TimeoutError: it has not, in time.

    Source: pidfd_open(2): a pidfd polls readable when its process ends
    """
    async with asyncio.timeout(deadline_s):
        await readable(pidfd)


async def readable(descriptor: int | socket.socket) -> None:
    """Wait until a descriptor polls readable."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _start_bytes(spec: ProcessSpec, message: dict[str, object]) -> bytes:
    """Files, then START: everything a start needs in one write."""
    pieces = []
    for stream, file in enumerate(spec.files, start=1):
        head: dict[str, object] = {"path": file.path, "size_bytes": len(file.content)}
        pieces.append(frames.encode_control(frames.WRITE, head, stream))
        for at in range(0, len(file.content), WRITE_CHUNK_BYTES):
            piece = file.content[at : at + WRITE_CHUNK_BYTES]
            pieces.append(frames.encode(frames.DATA, piece, stream))
    pieces.append(frames.encode_control(frames.START, message))
    return b"".join(pieces)
