"""A scripted backend: every behaviour of a cell, no feature of a kernel.

Owns a complete ``Backend`` for tests and for trying a front end where no
sandbox can be built; refuses to execute anything: a "program" here is a list of
calls with literal arguments, read by ``scripted_program``. It protects nothing and
says so in its capabilities.
"""

import asyncio
import signal
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

from vibecell.cell.frames import INPUT_WINDOW_BYTES
from vibecell.model.capabilities import Capabilities, Layer
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import (
    MAX_PATH_BYTES,
    OmissionReason,
    OmittedFile,
    OutputFile,
    Usage,
)
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.model.measures import Measured
from vibecell.sandbox.backend import (
    Collection,
    DisplayData,
    DisplayLeftOut,
    Exit,
    Occurrence,
    Output,
    ProcessSpec,
    TellPosition,
    Undelivered,
)
from vibecell.sandbox.bounds import DISPLAY_COST_BYTES, MAX_DISPLAY_BYTES, MAX_OMITTED_NAMED
from vibecell.sandbox.fake.scripted_program import Call, ProgramError, read_program
from vibecell.sandbox.fake.seen_waiting import seen_waiting

CHUNK_BYTES = 64 * 1024
_UNREAD_OCCURRENCES = 64
MADE_UP_MEMORY_BYTES = 1024 * 1024
_RETRY_S = 0.001


class _Ended(Exception):
    """The program ended, for a reason of its own."""

    def __init__(self, exit_: Exit) -> None:
        super().__init__()
        self.exit_ = exit_


class FakeProcess:
    """Plays one program; obeys ``Process``.

    Args:
        spec: what to play.
        left: where the files go that it writes.
    """

    def __init__(self, spec: ProcessSpec, left: list[OutputFile]) -> None:
        self._spec = spec
        self._left = left
        self._occurrences: asyncio.Queue[Occurrence | SandboxFailure] = asyncio.Queue()
        self._stdin = bytearray(spec.stdin)
        self._stdin_ended = not spec.interactive
        self._stdin_changed = asyncio.Event()
        self._stdin_taken = asyncio.Event()
        self._ended = self._is_deaf = False
        self._stopped: Exit | None = None
        self._output_bytes = 0
        self._cpu_time_ms = 1.0
        self._started_at = time.monotonic()
        self._task = asyncio.create_task(self._live())

    async def read(self) -> AsyncIterator[Occurrence]:
        """See ``Process.read``."""
        while True:
            occurrence = await self._occurrences.get()
            if isinstance(occurrence, SandboxFailure):
                raise occurrence
            yield occurrence
            if isinstance(occurrence, Exit):
                return

    async def write_stdin(self, data: bytes) -> None:
        """See ``Process.write_stdin``."""
        for at in range(0, len(data), CHUNK_BYTES):
            while len(self._stdin) >= INPUT_WINDOW_BYTES and not self._ended:
                self._stdin_taken.clear()
                await self._stdin_taken.wait()
            self._stdin += data[at : at + CHUNK_BYTES]
            self._stdin_changed.set()

    async def end_stdin(self) -> None:
        """See ``Process.end_stdin``."""
        self._stdin_ended = True
        self._stdin_changed.set()

    async def send_signal(self, number: int) -> None:
        """See ``Process.send_signal``; every signal ends a fake program."""
        self._require_hearing()
        self._stop(Exit(exit_code=None, signal=number))

    async def resize(self, columns: int, rows: int) -> None:
        """See ``Process.resize``; the program says that it noticed."""
        self._require_hearing()
        if self._spec.has_terminal:
            await self._write("stdout", f"resized {columns}x{rows}\n".encode())

    def _require_hearing(self) -> None:
        if self._is_deaf and not self._ended:
            raise Undelivered("control the program", "it was told to be deaf")

    def usage_now(self) -> Usage:
        """See ``Process.usage_now``; made up, but for the time and the output."""
        wall_time_ms = (time.monotonic() - self._started_at) * 1000
        return Usage(wall_time_ms, self._cpu_time_ms, MADE_UP_MEMORY_BYTES, 1, self._output_bytes)

    def kill(self) -> None:
        """See ``Process.kill``."""
        self._stop(Exit(None, signal.SIGKILL, stopped_by="cancel"))

    def fail(self) -> None:
        """The cell is gone: the reader learns it."""
        self._take_no_more()
        self._task.cancel()
        self._occurrences.put_nowait(SandboxFailure("play a program", "the cell was destroyed"))

    def _stop(self, exit_: Exit) -> None:
        if self._stopped is None:
            self._stopped = exit_
            self._task.cancel()

    def _take_no_more(self) -> None:
        """Whoever waits to write is let go."""
        self._ended = True
        self._stdin_taken.set()

    async def _live(self) -> None:
        try:
            async with asyncio.timeout(self._spec.limits.wall_time_ms / 1000):
                await self._play()
            exit_ = Exit(0, None)
        except _Ended as ended:
            exit_ = ended.exit_
        except TimeoutError:
            exit_ = Exit(None, signal.SIGKILL, stopped_by="wall_time")
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            exit_ = self._stopped
        except SandboxFailure as failure:
            self._take_no_more()
            self._occurrences.put_nowait(failure)
            return
        self._take_no_more()
        self._occurrences.put_nowait(self._with_usage(exit_))

    async def _tell(self, occurrence: Occurrence) -> None:
        """Report, as fast as the reader reads; only the end is never held up."""
        while self._occurrences.qsize() >= _UNREAD_OCCURRENCES:
            await asyncio.sleep(_RETRY_S)
        self._occurrences.put_nowait(occurrence)

    def _with_usage(self, exit_: Exit) -> Exit:
        return replace(
            exit_,
            wall_time_ms=(time.monotonic() - self._started_at) * 1000,
            cpu_time_ms=self._cpu_time_ms,
            memory_bytes=MADE_UP_MEMORY_BYTES,
            processes=1,
            output_bytes=self._output_bytes,
            truncated=exit_.truncated or exit_.stopped_by == "output",
        )

    async def _play(self) -> None:
        source = next((f.content for f in self._spec.files if f.path == self._spec.entrypoint), b"")
        try:
            program = read_program(source)
        except ProgramError as error:
            await self._write("stderr", f"SyntaxError: {error}\n".encode())
            raise _Ended(Exit(1, None)) from error
        for call in program:
            await self._do(call)

    async def _do(self, call: Call) -> None:
        match call:
            case Call("print" | "console.log", arguments):
                words = [await self._word(a) for a in arguments]
                await self._write("stdout", " ".join(words).encode() + b"\n")
            case Call("write" | "error", (text,)):
                name: Literal["stdout", "stderr"] = "stdout" if call.name == "write" else "stderr"
                await self._write(name, text if isinstance(text, bytes) else str(text).encode())
            case Call("echo", ()):
                while data := await self._read_stdin():
                    await self._write("stdout", data)
            case Call("sleep", (seconds,)) if isinstance(seconds, int | float):
                await asyncio.sleep(seconds)
            case Call("work", (seconds,)) if isinstance(seconds, int | float):
                self._work(seconds * 1000)
            case Call("flood", (size_bytes,)) if isinstance(size_bytes, int):
                for at in range(0, size_bytes, CHUNK_BYTES):
                    await self._write("stdout", b"x" * min(CHUNK_BYTES, size_bytes - at))
            case Call("leave", (str(path), str(text))):
                self._left.append(OutputFile(path, text.encode()))
            case Call("deaf", ()):
                self._is_deaf = True
            case Call("display", (int(size_bytes),)):
                await self._display(b"x" * size_bytes)
            case Call("display", (str(text),)):
                await self._display(text.encode())
            case _:
                self._end(call, self._spec.limits)

    def _work(self, cpu_time_ms: float) -> None:
        limit_ms = self._spec.limits.cpu_time_ms
        self._cpu_time_ms = min(self._cpu_time_ms + cpu_time_ms, limit_ms)
        if self._cpu_time_ms == limit_ms:
            raise _Ended(Exit(None, signal.SIGKILL, stopped_by="cpu_time"))

    async def _display(self, data: bytes) -> None:
        self._output_bytes += len(data) + DISPLAY_COST_BYTES
        fits = self._output_bytes <= self._spec.limits.output_bytes
        shown = fits and len(data) <= MAX_DISPLAY_BYTES
        await self._tell(DisplayData(data) if shown else DisplayLeftOut())
        if not fits:
            raise _Ended(Exit(None, signal.SIGKILL, stopped_by="output", truncated=True))

    def _end(self, call: Call, limits: Limits) -> None:
        """The calls that end the program, or the cell under it."""
        match call:
            case Call("exit", (int(code),)):
                raise _Ended(Exit(code, None))
            case Call("signal", (int(number),)):
                raise _Ended(Exit(None, number))
            case Call("use_memory", ()):
                killed = Exit(None, signal.SIGKILL, stopped_by="memory", memory_limit_hit=True)
                raise _Ended(killed)
            case Call("use_cpu", ()):
                self._cpu_time_ms = float(limits.cpu_time_ms)
                raise _Ended(Exit(None, signal.SIGKILL, stopped_by="cpu_time"))
            case Call("use_processes", ()):
                raise _Ended(Exit(1, None, process_limit_hit=True))
            case Call("use_workspace", ()):
                raise _Ended(Exit(1, None, workspace_limit_hit=True))
            case Call("die", ()):
                raise SandboxFailure("play a program", "it was told to die")
        raise _Ended(Exit(1, None))

    async def _word(self, argument: object) -> str:
        if not isinstance(argument, Call):
            return str(argument)
        return (await self._read_line()).decode("utf-8", "replace")

    async def _write(self, name: Literal["stdout", "stderr"], data: bytes) -> None:
        room = self._spec.limits.output_bytes - self._output_bytes
        self._output_bytes += len(data)
        shown: Literal["stdout", "stderr"] = "stdout" if self._spec.has_terminal else name
        for at in range(0, min(room, len(data)), CHUNK_BYTES):
            await self._tell(Output(shown, data[at : min(at + CHUNK_BYTES, room)]))
        if len(data) > room:
            raise _Ended(Exit(None, signal.SIGKILL, stopped_by="output", truncated=True))

    async def _read_stdin(self) -> bytes:
        while not self._stdin and not self._stdin_ended:
            self._stdin_changed.clear()
            with seen_waiting(self._spec.tell_waiting):
                await self._stdin_changed.wait()
        data = bytes(self._stdin)
        self._stdin.clear()
        self._stdin_taken.set()
        return data

    async def _read_line(self) -> bytes:
        read = bytearray()
        while b"\n" not in read and (data := await self._read_stdin()):
            read += data
        line, _, rest = bytes(read).partition(b"\n")
        self._stdin[:0] = rest
        return line


class FakeCell:
    """Obeys ``Cell``."""

    def __init__(self, backend: "FakeBackend") -> None:
        self._backend = backend
        self._left: list[OutputFile] = []
        self._process: FakeProcess | None = None
        self.destroyed = False

    async def start(self, spec: ProcessSpec) -> FakeProcess:
        """See ``Cell.start``."""
        if self.destroyed:
            raise SandboxFailure("start a program", "the cell is destroyed")
        self._process = FakeProcess(spec, self._left)
        await asyncio.sleep(0)  # let it begin: what has not begun cannot say how it ended
        return self._process

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        """See ``Cell.collect``."""
        if self.destroyed:
            raise SandboxFailure("collect files", "the cell is destroyed")
        kept: list[OutputFile] = []
        omitted: list[OmittedFile] = []
        left_bytes = max_bytes
        for file in self._left:
            size_bytes = len(file.content)
            if len(file.path.encode()) > MAX_PATH_BYTES:
                cut = file.path[:MAX_PATH_BYTES]
                omitted.append(OmittedFile(cut, size_bytes, "unnameable"))
            elif len(kept) >= max_files:
                omitted.append(OmittedFile(file.path, size_bytes, "too_many"))
            elif size_bytes > left_bytes:
                reason: OmissionReason = "too_large" if size_bytes > max_bytes else "no_room"
                omitted.append(OmittedFile(file.path, size_bytes, reason))
            else:
                kept.append(file)
                left_bytes -= size_bytes
        named = tuple(omitted[:MAX_OMITTED_NAMED])
        return Collection(tuple(kept), named, len(omitted))

    async def destroy(self) -> None:
        """See ``Cell.destroy``."""
        if not self.destroyed:
            self.destroyed = True
            if self._process is not None:
                self._process.fail()
            self._backend.forget(self)


class FakeBackend:
    """Obeys ``Backend``.

    Args:
        failures: raised by the next calls of ``acquire``, one each.
        acquire_s: how long a cell takes to come.
    """

    def __init__(self, failures: tuple[SandboxFailure, ...] = (), acquire_s: float = 0.0) -> None:
        self._failures = deque(failures)
        self._acquire_s = acquire_s
        self._cells: set[FakeCell] = set()
        self.make_cell = FakeCell  # one that behaves otherwise, where a test wants one
        self._open = False
        self.most_cells = 0

    @property
    def live_cells(self) -> int:
        """Cells handed out and not destroyed; 0 when all is well and quiet."""
        return len(self._cells)

    async def reap(self) -> None:
        """See ``backend.Backend.reap``: it leaves nothing."""

    async def probe(self) -> Capabilities:
        """See ``Backend.probe``: nothing is enforced, and nothing is required."""
        layer = Layer("isolation", False, "nothing is executed", required=False)
        return Capabilities("fake", "shared", (layer,))

    async def open(self) -> None:
        """See ``Backend.open``."""
        self._open = True

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> FakeCell:
        """See ``Backend.acquire``."""
        if self._acquire_s:
            await asyncio.sleep(self._acquire_s)
        if not self._open:
            raise SandboxFailure("make a cell", "the backend is closed")
        if self._failures:
            raise self._failures.popleft()
        cell = self.make_cell(self)
        self._cells.add(cell)
        self.most_cells = max(self.most_cells, len(self._cells))
        return cell

    def counts(self) -> dict[str, int]:
        """See ``Backend.counts``: nothing is kept warm."""
        return {}

    async def measured(self) -> tuple[Measured, ...]:
        return ()  # nothing is counted

    async def close(self) -> None:
        """See ``Backend.close``."""
        self._open = False
        for cell in tuple(self._cells):
            await cell.destroy()

    def forget(self, cell: FakeCell) -> None:
        """A cell is destroyed."""
        self._cells.discard(cell)
