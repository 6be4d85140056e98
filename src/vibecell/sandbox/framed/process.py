"""One program in a framed cell: its output, its clocks and its end.

Owns the enforcement of limits from outside and the facts of the end; refuses
to believe what a frame claims beyond its shape. Limits hold whether or not
anybody reads. Of its cell it knows the channel, the meters and how it is killed.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import Usage
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import (
    DisplayData,
    DisplayLeftOut,
    Exit,
    Occurrence,
    Output,
    ProcessSpec,
    Undelivered,
)
from vibecell.sandbox.framed import cell_reports, orders
from vibecell.sandbox.framed.cell_reports import EndFacts
from vibecell.sandbox.framed.channel import Channel
from vibecell.sandbox.framed.input_credit import InputCredit
from vibecell.sandbox.framed.meters import Meters
from vibecell.sandbox.framed.refused_forks import ForkWatch, Seen
from vibecell.sandbox.framed.stillness import Stillness

CPUS = os.cpu_count() or 1
_MIN_CPU_CHECK_S = 0.005


class FramedProcess:
    """A process in a framed cell; see ``backend.Process``.

    Args:
        channel: to the agent; nobody else receives from it while the process is read.
        meters: of the cell.
        kill_cell: ends every process of the cell at once.
        spec: what has been started, or will be.
        fed_bytes: how much of its input goes out with its start.
    """

    def __init__(
        self,
        channel: Channel,
        meters: Meters,
        kill_cell: Callable[[], None],
        spec: ProcessSpec,
        fed_bytes: int = 0,
    ) -> None:
        self._channel = channel
        self._meters = meters
        self._kill_cell = kill_cell
        self._limits = spec.limits
        self._input_is_open = bool(spec.interactive)
        self._marks = spec.marks
        self._loop = asyncio.get_running_loop()
        self._started_s = 0.0
        self._output_bytes = 0
        self._truncated = False
        self._stopped_by: str | None = None
        self._ended = self._never_begins = False
        # by whoever reads next, should a reader stop in the middle
        self._received: deque[tuple[int, bytes]] = deque()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._feeding: asyncio.Task[None] | None = None
        self._credit = InputCredit(fed_bytes)
        self._writing = asyncio.Lock()
        self._stillness = Stillness(spec.tell_waiting) if spec.tell_waiting else None

    def run_clocks(self, started_ns: int) -> None:
        """Run until its end; called once the agent has said STARTED.

        Args:
            started_ns: when the program could go on, by the monotonic clock: it has worked since,
                however late we hear of it.
        """
        self._started_s = started_ns / 1e9
        self._meters.count_agent()
        self._marks.note("started")
        wall_s = self._started_s + self._limits.wall_time_ms / 1000 - time.monotonic()
        self._after("wall", wall_s, self._stop, "wall_time")
        if self._meters.exist:
            self._after("cpu", self._limits.cpu_time_ms / 1000 / CPUS, self._check_cpu)
            self._meters.tell_of_oom(lambda: self._stop("memory"))
            self._watch_forks()
            if self._input_is_open and self._stillness is not None:
                self._after("stillness", bounds.STILL_S, self._check_stillness, self._stillness)

    @property
    def has_begun(self) -> bool:
        """Whether there was a program at all, as far as is known."""
        return not self._never_begins

    def never_begins(self) -> None:
        """What was to become the program was killed for its memory before it was the program.

        So much or more every program needs: whatever the cell said of it, it is that limit.
        """
        self._stopped_by = "memory"
        self._never_begins = True

    def feed(self, spec: ProcessSpec) -> None:
        """Give the program its first input without waiting for it to read."""
        if spec.stdin or not spec.interactive:
            self._feeding = self._loop.create_task(self._feed(spec))

    async def _feed(self, spec: ProcessSpec) -> None:
        if spec.stdin:
            await self.write_stdin(spec.stdin)
        if not spec.interactive:
            await self.end_stdin()

    def _after(self, name: str, delay_s: float, call: Callable[..., None], *args: object) -> None:
        self._timers[name] = self._loop.call_later(delay_s, call, *args)

    def _check_cpu(self) -> None:
        left_ms = self._limits.cpu_time_ms - (self._meters.cpu_time_ms() or 0.0)
        if left_ms <= 0:
            self._stop("cpu_time")
        else:
            delay_s = max(_MIN_CPU_CHECK_S, left_ms / 1000 / CPUS)
            self._after("cpu", delay_s, self._check_cpu)

    def _watch_forks(self) -> None:
        """From its start, or from when nobody can answer it any more."""
        runs = self._started_s and not self._ended
        if runs and self._meters.exist and not self._input_is_open and "forks" not in self._timers:
            watch = ForkWatch()
            self._after("forks", watch.look_s, self._check_forks, watch)

    def _check_stillness(self, stillness: Stillness) -> None:
        if not self._input_is_open:
            return stillness.move()  # it has nothing to wait for any more
        input_is_left = self._writing.locked() or self._credit.is_spent
        stillness.look(self._meters.cpu_time_ms(), self._output_bytes, input_is_left)
        return self._after("stillness", bounds.STILL_S, self._check_stillness, stillness)

    def _moves(self) -> None:
        if self._stillness is not None:
            self._stillness.move()

    def _check_forks(self, watch: ForkWatch) -> None:
        if not self._meters.process_limit_hit():
            watch.saw_no_refusal()
        elif watch.is_stuck(self._look()):
            self._stop("processes")
            return
        self._after("forks", watch.look_s, self._check_forks, watch)

    def _look(self) -> Seen:
        processes = self._meters.processes_now() or 0
        return Seen(self._meters.refusals(), processes, self._output_bytes)

    async def read(self) -> AsyncIterator[Occurrence]:
        """See ``backend.Process.read``."""
        try:
            if self._never_begins:
                yield self._end_without_report()
                return
            while True:
                if not self._received:
                    received = await self._channel.receive()
                    if received is None:
                        yield self._end_without_report()
                        return
                    self._received.extend(received)
                while self._received:
                    occurrence = self._understand(*self._received.popleft())
                    if occurrence is not None:
                        yield occurrence
                    if self._ended:
                        self._channel.put_back(list(self._received))
                        return
        finally:
            self._stop_clocks()

    def _understand(self, kind: int, payload: bytes) -> Occurrence | None:
        if kind == frames.STDOUT or kind == frames.STDERR:
            data = self._within_output_limit(payload)
            name = "stdout" if kind == frames.STDOUT else "stderr"
            return Output(name, data) if data else None  # type: ignore[arg-type]
        if kind == frames.DISPLAY:
            fits = self._charge(len(payload) + bounds.DISPLAY_COST_BYTES)
            return DisplayData(payload) if fits else DisplayLeftOut()
        if kind == frames.OMITTED:
            displays, size_bytes = cell_reports.omitted(payload)
            self._charge(size_bytes + displays * bounds.DISPLAY_COST_BYTES)
            return DisplayLeftOut() if displays else None
        if kind == frames.TAKEN:
            self._credit.taken(cell_reports.taken(payload))
            return None
        if kind == frames.EXIT:
            self._end()
            return self._exit(cell_reports.end_facts(payload))
        raise SandboxFailure("run the program", f"unexpected frame {kind:#x}")

    def _within_output_limit(self, data: bytes) -> bytes:
        left = self._limits.output_bytes - self._output_bytes
        return data if self._charge(len(data)) else data[: max(0, left)]

    def _charge(self, size_bytes: int) -> bool:
        """Count it as output, shown or not; false once that is too much, which ends the program."""
        self._output_bytes += size_bytes
        self._moves()
        if self._output_bytes <= self._limits.output_bytes:
            return True
        self._truncated = True
        self._stop("output")
        return False

    def _exit(self, facts: EndFacts) -> Exit:
        cpu_ms = self._meters.cpu_time_ms()
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
            memory_limit_hit=stopped_by == "memory" or self._meters.memory_limit_hit(),
            process_limit_hit=facts.process_limit_hit or self._meters.process_limit_hit(),
            workspace_limit_hit=facts.workspace_limit_hit,
            wall_time_ms=(time.monotonic() - self._started_s) * 1000,
            cpu_time_ms=cpu_ms,
            memory_bytes=self._meters.memory_peak_bytes() or facts.memory_bytes,
            processes=self._meters.processes_peak() or facts.processes,
            output_bytes=self._output_bytes,
            truncated=self._truncated,
        )

    def _end_without_report(self) -> Exit:
        """The cell is gone: our doing, or a failure."""
        self._end()
        if self._stopped_by is None:
            raise SandboxFailure("run the program", "the cell died")
        return self._exit(cell_reports.KILLED)

    def _stop(self, reason: str) -> None:
        if self._stopped_by is None and not self._ended:
            self._stopped_by = reason
            if not self._channel.try_send(orders.KILL):
                self._kill_cell()
            self._after("hard", bounds.END_GRACE_S, self._kill_cell)

    def abandon(self) -> None:
        """Measure and feed it no more: its cell is being destroyed."""
        self._end()
        if self._feeding is not None:
            self._feeding.cancel()

    def _end(self) -> None:
        self._ended = True
        self._credit.close()
        self._moves()
        self._stop_clocks()

    def _stop_clocks(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._meters.tell_of_oom(None)

    async def write_stdin(self, data: bytes) -> None:
        """See ``backend.Process.write_stdin``."""
        async with self._writing:
            for piece in orders.pieces_of_input(data):
                if not await self._credit.spend(len(piece)):
                    return
                await self._say(frames.encode(frames.STDIN, piece))

    async def end_stdin(self) -> None:
        """See ``backend.Process.end_stdin``."""
        async with self._writing:
            await self._say(orders.END_OF_INPUT)
            self._input_is_open = False
            self._watch_forks()

    async def send_signal(self, number: int) -> None:
        """See ``backend.Process.send_signal``."""
        await self._control(orders.signal(number))

    async def resize(self, columns: int, rows: int) -> None:
        """See ``backend.Process.resize``."""
        await self._control(orders.resize(columns, rows))

    async def _control(self, data: bytes) -> None:
        """Beside the input: what an agent holds of that leaves room for this.

        Raises:
            Undelivered: the cell does not take it.
        """
        try:
            async with asyncio.timeout(bounds.CONTROL_DEADLINE_S):
                await self._say(data)
        except TimeoutError as error:
            raise Undelivered("control the program", "the cell does not take it") from error

    async def _say(self, data: bytes) -> None:
        """Send unless it is over; a cell that dies is noticed by its reader."""
        if not self._ended:
            self._moves()
            with contextlib.suppress(OSError):
                await self._channel.send(data)

    def usage_now(self) -> Usage:
        """See ``backend.Process.usage_now``.

        Without cgroups only its agent knows what it uses, and tells it at the end.
        """
        wall_time_ms = (time.monotonic() - self._started_s) * 1000
        try:
            return Usage(
                wall_time_ms,
                self._meters.cpu_time_ms(),
                self._meters.memory_now_bytes(),
                self._meters.processes_now(),
                self._output_bytes,
            )
        except OSError:  # its cgroup went with its wall
            return Usage(wall_time_ms, output_bytes=self._output_bytes)

    def kill(self) -> None:
        """See ``backend.Process.kill``."""
        self._stop("cancel")
