"""One program in a framed cell: its output, its clocks and its end.

Owns the enforcement of limits from outside and the facts of the end; refuses
to believe what a frame claims beyond its shape. Limits hold whether or not
anybody reads.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.backend import DisplayData, Exit, Occurrence, Output, ProcessSpec
from vibecell.sandbox.framed import cell_reports
from vibecell.sandbox.framed.cell_reports import EndFacts

if TYPE_CHECKING:
    from vibecell.sandbox.framed.cell import FramedCell

WRITE_CHUNK_BYTES = 128 * 1024
_EOF = frames.encode(frames.EOF)
END_GRACE_S = 1.0
MAX_DISPLAY_TOTAL_BYTES = 16 * 1024 * 1024
CPUS = os.cpu_count() or 1
_MIN_CPU_CHECK_S = 0.005


class FramedProcess:
    """A process in a framed cell; see ``backend.Process``."""

    def __init__(self, cell: "FramedCell", spec: ProcessSpec) -> None:
        self._cell = cell
        self._limits = spec.limits
        self._marks = spec.marks
        self._loop = asyncio.get_running_loop()
        self._started_s = 0.0
        self._output_bytes = 0
        self._display_bytes = 0
        self._truncated = False
        self._stopped_by: str | None = None
        self._ended = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._feeding: asyncio.Task[None] | None = None

    def began(self) -> None:
        """Start the clocks; called once the agent has said STARTED."""
        self._started_s = time.monotonic()
        self._note_start()
        self._after("wall", self._limits.wall_time_ms / 1000, self._stop, "wall_time")
        cgroup = self._cell.identity.cgroup
        if cgroup is not None:
            self._after("cpu", self._limits.cpu_time_ms / 1000 / CPUS, self._check_cpu)
            self._cell.watch_oom(lambda: self._stop("memory"))

    def _note_start(self) -> None:
        self._marks.note("started")
        asked_ns, hello_ns = self._cell.birth_ns
        self._marks.note("fork_asked", asked_ns)
        self._marks.note("hello", hello_ns)

    def feed(self, spec: ProcessSpec) -> None:
        """Give the program its first input without waiting for it to read."""
        if spec.stdin or not spec.interactive:
            self._feeding = self._loop.create_task(self._feed(spec))

    async def _feed(self, spec: ProcessSpec) -> None:
        if spec.stdin:
            await self.write_stdin(spec.stdin)
        if not spec.interactive:
            await self.end_stdin()

    def _after(self, name: str, delay_s: float, call: Callable[..., None], *args: str) -> None:
        self._timers[name] = self._loop.call_later(delay_s, call, *args)

    def _check_cpu(self) -> None:
        left_ms = self._limits.cpu_time_ms - (self._cell.cpu_time_ms() or 0.0)
        if left_ms <= 0:
            self._stop("cpu_time")
        else:
            delay_s = max(_MIN_CPU_CHECK_S, left_ms / 1000 / CPUS)
            self._after("cpu", delay_s, self._check_cpu)

    async def read(self) -> AsyncIterator[Occurrence]:
        """See ``backend.Process.read``."""
        try:
            while True:
                received = await self._cell.receive()
                if received is None:
                    yield self._end_without_report()
                    return
                for at, (kind, payload) in enumerate(received, start=1):
                    occurrence = self._understand(kind, payload)
                    if occurrence is not None:
                        yield occurrence
                    if self._ended:
                        self._cell.put_back(received[at:])
                        return
        finally:
            self._stop_clocks()

    def _understand(self, kind: int, payload: bytes) -> Occurrence | None:
        if kind == frames.STDOUT or kind == frames.STDERR:
            data = self._within_output_limit(payload)
            name = "stdout" if kind == frames.STDOUT else "stderr"
            return Output(name, data) if data else None  # type: ignore[arg-type]
        if kind == frames.DISPLAY:
            self._display_bytes += len(payload)
            return DisplayData(payload) if self._display_bytes <= MAX_DISPLAY_TOTAL_BYTES else None
        if kind == frames.EXIT:
            self._ended = True
            self._stop_clocks()
            return self._exit(cell_reports.end_facts(payload))
        raise SandboxFailure("run the program", f"unexpected frame {kind:#x}")

    def _within_output_limit(self, data: bytes) -> bytes:
        left = self._limits.output_bytes - self._output_bytes
        self._output_bytes += len(data)
        if len(data) <= left:
            return data
        self._truncated = True
        self._stop("output")
        return data[: max(0, left)]

    def _exit(self, facts: EndFacts) -> Exit:
        cgroup = self._cell.identity.cgroup
        cpu_ms = self._cell.cpu_time_ms()
        if cpu_ms is None:
            cpu_ms = facts.cpu_time_ms
        stopped_by = self._stopped_by or facts.stopped_by
        by_kernel = facts.signal in (signal.SIGXCPU, signal.SIGKILL)
        if stopped_by is None and by_kernel and (cpu_ms or 0.0) >= self._limits.cpu_time_ms:
            stopped_by = "cpu_time"
        return Exit(
            exit_code=facts.exit_code,
            signal=facts.signal,
            stopped_by=stopped_by,  # type: ignore[arg-type]
            memory_limit_hit=stopped_by == "memory"
            or (cgroup is not None and cgroup.memory_limit_hit()),
            process_limit_hit=facts.process_limit_hit
            or (cgroup is not None and cgroup.process_limit_hit()),
            workspace_limit_hit=facts.workspace_limit_hit,
            wall_time_ms=(time.monotonic() - self._started_s) * 1000,
            cpu_time_ms=cpu_ms,
            memory_bytes=self._cell.memory_peak_bytes() or facts.memory_bytes,
            processes=self._cell.processes_peak() or facts.processes,
            output_bytes=self._output_bytes,
            truncated=self._truncated,
        )

    def _end_without_report(self) -> Exit:
        """The cell is gone: our doing, or a failure."""
        self._ended = True
        self._stop_clocks()
        if self._stopped_by is None:
            raise SandboxFailure("run the program", "the cell died")
        return self._exit(cell_reports.KILLED)

    def _stop(self, reason: str) -> None:
        if self._stopped_by is None and not self._ended:
            self._stopped_by = reason
            if not self._cell.try_send(frames.encode(frames.KILL)):
                self._cell.kill()
            self._after("hard", END_GRACE_S, self._cell.kill)

    def abandon(self) -> None:
        """Measure and feed it no more: its cell is being destroyed."""
        self._ended = True
        self._stop_clocks()
        if self._feeding is not None:
            self._feeding.cancel()

    def _stop_clocks(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._cell.watch_oom(None)

    async def write_stdin(self, data: bytes) -> None:
        """See ``backend.Process.write_stdin``."""
        for at in range(0, len(data), WRITE_CHUNK_BYTES):
            await self._say(frames.encode(frames.STDIN, data[at : at + WRITE_CHUNK_BYTES]))

    async def end_stdin(self) -> None:
        """See ``backend.Process.end_stdin``."""
        await self._say(frames.encode(frames.EOF))

    async def send_signal(self, number: int) -> None:
        """See ``backend.Process.send_signal``."""
        await self._say(frames.encode_control(frames.SIGNAL, {"number": number}))

    async def resize(self, columns: int, rows: int) -> None:
        """See ``backend.Process.resize``."""
        message: dict[str, object] = {"columns": columns, "rows": rows}
        await self._say(frames.encode_control(frames.RESIZE, message))

    async def _say(self, data: bytes) -> None:
        """Send unless it is over; a cell that dies is noticed by its reader."""
        if not self._ended:
            with contextlib.suppress(OSError):
                await self._cell.send(data)

    def kill(self) -> None:
        """See ``backend.Process.kill``."""
        self._stop("cancel")


def start_bytes(spec: ProcessSpec, message: dict[str, object], feeds: bool) -> bytes:
    """Files, START, and input if it ``feeds``: everything a start needs in one write."""
    pieces = []
    for stream, file in enumerate(spec.files, start=1):
        head: dict[str, object] = {"path": file.path, "size_bytes": len(file.content)}
        pieces.append(frames.encode_control(frames.WRITE, head, stream))
        for at in range(0, len(file.content), WRITE_CHUNK_BYTES):
            piece = file.content[at : at + WRITE_CHUNK_BYTES]
            pieces.append(frames.encode(frames.DATA, piece, stream))
    pieces.append(frames.encode_control(frames.START, message))
    if feeds:
        if spec.stdin:
            pieces.append(frames.encode(frames.STDIN, spec.stdin))
        pieces.append(_EOF)
    if spec.collects is not None:
        pieces.append(collect_frame(*spec.collects))
    return b"".join(pieces)


def collect_frame(max_files: int, max_bytes: int) -> bytes:
    """Ask for the files a program left."""
    message: dict[str, object] = {"max_files": max_files, "max_bytes": max_bytes}
    return frames.encode_control(frames.COLLECT, message)
