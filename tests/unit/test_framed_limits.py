"""When a program is stopped, and what its end is called: by a clock and counters of the test's own.

Time passes when a test says so, and the kernel counts what a test says. So a limit is
held to the millisecond, on however busy a machine.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.limits import Limits
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import Exit, ProcessSpec
from vibecell.sandbox.framed import process as framed_process
from vibecell.sandbox.framed.process import FramedProcess
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import OomAlarm

from .framed_bench import SPEC, Bench, everything, exit_frame, run

LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=1_000)
WITHOUT_INPUT = replace(SPEC, interactive=False)


class Counted:
    """A cgroup whose counters a test sets, and that remembers when it was killed."""

    def __init__(self) -> None:
        self.cpu_ms = 0.0
        self.has_oom_kill = False
        self.refused, self.there = 0, 1
        self.asked = 0
        self.kills = 0

    def set_limits(self, **_limits: int) -> None:
        self.cpu_ms = 250.0  # what the making of the cell has cost is nobody's

    def cpu_time_ns(self) -> int:
        return int(self.cpu_ms * 1e6)

    def memory_peak_bytes(self) -> int:
        return 4096

    def processes_peak(self) -> int:
        return 1

    def memory_limit_hit(self) -> bool:
        return self.has_oom_kill

    def process_limit_hit(self) -> bool:
        self.asked += 1
        return self.refused > 0

    def refusals(self) -> int:
        return self.refused

    def processes_now(self) -> int:
        return self.there

    def processes(self) -> int:
        return 0

    def kill(self) -> None:
        self.kills += 1

    def remove(self) -> None:
        return


class Alarm:
    """What the kernel rings when memory runs out, and who listens."""

    def __init__(self) -> None:
        self.call: Callable[[], None] | None = None


class Clock:
    """The loop's clock, which stands still but for what a test lets pass."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now_s = self._loop.time()
        self._loop.time = lambda: self._now_s  # type: ignore[method-assign]

    async def to(self, start_s: float, ms: float) -> None:
        """Let time pass until so long after a start, and whatever is due then happen."""
        self._now_s = start_s + ms / 1000
        for _ in range(8):
            await asyncio.sleep(0)

    @property
    def now_s(self) -> float:
        return self._now_s


class Started:
    """A program that has begun on a bench, by whose clock and counters it lives."""

    def __init__(
        self, bench: Bench, counted: Counted, alarm: Alarm, clock: Clock, process: FramedProcess
    ) -> None:
        self.bench = bench
        self.counted = counted
        self.alarm = alarm
        self.process = process
        self._clock = clock
        self._start_s = clock.now_s

    async def at(self, wall_ms: float, cpu_ms: float) -> bool:
        """Whether it was ended by then; so much the kernel has counted of it."""
        self.counted.cpu_ms = 250.0 + cpu_ms
        await self._clock.to(self._start_s, wall_ms)
        return self.counted.kills > 0

    async def ended(self, *said: bytes) -> Exit:
        """Its end, of which its agent says this; nothing: it hangs up."""
        if said:
            await self.bench.agent.send(*said)
        else:
            self.bench.agent.link.shutdown(socket.SHUT_RDWR)
        *_, end = await everything(self.process)
        assert isinstance(end, Exit)
        return end


def begun(
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[[Started], Awaitable[None]],
    cpus: int = 1,
    grace_s: float = 0.0,
    spec: ProcessSpec = SPEC,
) -> None:
    """Run a test with a program that has just begun; who is told to end is killed after a grace."""
    monkeypatch.setattr(bounds, "END_GRACE_S", grace_s)
    monkeypatch.setattr(framed_process, "CPUS", cpus)
    counted, alarm = Counted(), Alarm()
    faults: list[dict[str, Any]] = []

    async def whole(bench: Bench) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        clock = Clock()
        process = await bench.started(replace(spec, limits=LIMITS))
        await test(Started(bench, counted, alarm, clock, process))

    run(whole, cast(Cgroup, counted), cast(OomAlarm, alarm))
    assert not faults


@pytest.mark.parametrize("cpus", [1, 4])
def test_processor_time_is_what_the_kernel_counts_to_the_millisecond(
    monkeypatch: pytest.MonkeyPatch, cpus: int
) -> None:
    """On four processors it is used up four times as fast."""

    async def test(program: Started) -> None:
        assert not await program.at(wall_ms=1_000 / cpus - 1, cpu_ms=990)
        assert not await program.at(wall_ms=1_000 / cpus + 1, cpu_ms=999)
        assert await program.at(wall_ms=1_000 / cpus + 10, cpu_ms=1_001)
        end = await program.ended()
        assert (end.stopped_by, end.signal) == ("cpu_time", signal.SIGKILL)
        assert end.cpu_time_ms == pytest.approx(1_001), "from the start of the program"

    begun(monkeypatch, test, cpus=cpus)


def test_who_sleeps_uses_no_processor_time_and_meets_the_wall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(program: Started) -> None:
        for wall_ms in range(500, 5_000, 500):
            assert not await program.at(wall_ms, cpu_ms=wall_ms / 10)
        assert not await program.at(4_999, cpu_ms=500)
        assert await program.at(5_001, cpu_ms=500)
        assert (await program.ended()).stopped_by == "wall_time"

    begun(monkeypatch, test)


def test_who_gets_nowhere_after_a_refused_fork_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spinning or asleep; long before its time limit, and not while it still complains."""

    async def test(program: Started) -> None:
        program.counted.refused, program.counted.there = 1, 7
        for wall_ms in range(201, 2_400, 201):
            assert not await program.at(wall_ms, cpu_ms=wall_ms / 4)
        assert await program.at(2_412, cpu_ms=700)
        end = await program.ended()
        assert (end.stopped_by, end.process_limit_hit) == ("processes", True)

    begun(monkeypatch, test, spec=WITHOUT_INPUT)


def test_who_is_refused_nothing_is_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who is refused a fork late is ended as surely, at most a second later."""

    async def test(program: Started) -> None:
        for wall_ms in range(50, 1_500, 50):
            assert not await program.at(wall_ms, cpu_ms=0)
        assert program.counted.asked == 3  # at 0.2, 0.6 and 1.4 s
        program.counted.refused = 1
        ended_ms = 1_500
        while not await program.at(ended_ms, cpu_ms=0):
            ended_ms += 50
        assert ended_ms < LIMITS.wall_time_ms
        assert (await program.ended()).stopped_by == "processes"

    begun(monkeypatch, test, spec=WITHOUT_INPUT)


@pytest.mark.parametrize(
    ("refused", "spec", "signs"), [(0, None, 0), (1, None, 2), (1, SPEC, 0)],
    ids=["nothing refused", "gets along", "may wait for a person"],
)  # fmt: skip
def test_who_is_silent_for_another_reason_is_not_ended(
    monkeypatch: pytest.MonkeyPatch, refused: int, spec: ProcessSpec | None, signs: int
) -> None:
    async def test(program: Started) -> None:
        program.counted.refused = refused
        for wall_ms in range(201, 4_800, 201):
            program.counted.there = 1 + min(wall_ms // 700, signs)
            assert not await program.at(wall_ms, cpu_ms=0)

    begun(monkeypatch, test, spec=spec or WITHOUT_INPUT)


def test_who_waited_for_a_person_waits_for_nobody_once_input_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(program: Started) -> None:
        program.counted.refused = 1
        assert not await program.at(2_500, cpu_ms=0)
        await program.process.end_stdin()
        for wall_ms in range(2_701, 4_900, 201):
            assert not await program.at(wall_ms, cpu_ms=0)
        assert await program.at(4_912, cpu_ms=0)
        assert (await program.ended()).stopped_by == "processes"

    begun(monkeypatch, test)


@pytest.mark.parametrize("number", [signal.SIGXCPU, signal.SIGKILL])
def test_whom_the_kernel_ends_at_the_limit_of_processor_time_is_told_so(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Its own limit of a process is the second means, and no less a limit (setrlimit(2))."""

    async def test(program: Started) -> None:
        program.counted.cpu_ms += 2_000  # its clock had no chance to see that yet
        end = await program.ended(exit_frame(exit_code=None, signal=int(number)))
        assert (end.signal, end.stopped_by) == (number, "cpu_time")

    begun(monkeypatch, test)


@pytest.mark.parametrize(
    ("number", "cpu_ms"),
    [(signal.SIGKILL, 999.0), (signal.SIGXCPU, 999.0), (signal.SIGTERM, 2_000.0)],
)
def test_whom_something_else_ends_is_not_told_of_a_limit(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, cpu_ms: float
) -> None:
    async def test(program: Started) -> None:
        program.counted.cpu_ms += cpu_ms
        end = await program.ended(exit_frame(exit_code=None, signal=int(number)))
        assert (end.signal, end.stopped_by) == (number, None)

    begun(monkeypatch, test)


def test_the_first_limit_that_was_passed_is_the_one_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(program: Started) -> None:
        assert await program.at(wall_ms=1_001, cpu_ms=1_001)
        program.process.kill()
        assert await program.at(wall_ms=5_001, cpu_ms=1_001)
        assert (await program.ended()).stopped_by == "cpu_time"

    begun(monkeypatch, test)


def test_no_clock_runs_on_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a program that was stopped are collected in peace."""

    async def test(program: Started) -> None:
        program.process.kill()
        end = await program.ended(exit_frame(exit_code=None, signal=int(signal.SIGKILL)))
        assert end.stopped_by == "cancel"
        for wall_ms in (501, 1_001, 5_001, 7_000):
            assert not await program.at(wall_ms, cpu_ms=2_000)
        assert program.bench.body.poll() is None

    begun(monkeypatch, test, grace_s=0.5)


def test_who_does_not_end_when_told_is_ended_after_a_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(program: Started) -> None:
        program.process.kill()
        await program.bench.agent.hear(frames.KILL)
        assert not await program.at(wall_ms=499, cpu_ms=0)
        assert await program.at(wall_ms=501, cpu_ms=0)
        assert (await program.ended()).stopped_by == "cancel"

    begun(monkeypatch, test, grace_s=0.5)


def test_who_has_used_up_memory_is_ended_when_the_kernel_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Version 1 of cgroups kills one process of many (cgroup-v1/memory.rst)."""

    async def test(program: Started) -> None:
        assert program.alarm.call is not None
        program.alarm.call()
        assert await program.at(wall_ms=1, cpu_ms=1)
        end = await program.ended()
        assert (end.stopped_by, end.memory_limit_hit) == ("memory", True)
        assert program.alarm.call is None, "nobody listens after the end"

    begun(monkeypatch, test)


def test_who_reads_late_is_told_nothing_of_the_next_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cgroup may be another's by then."""

    async def test(program: Started) -> None:
        program.process.kill()
        await program.bench.cell.destroy()
        program.counted.cpu_ms, program.counted.has_oom_kill = 99_000.0, True
        *_, end = await everything(program.process)
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.cpu_time_ms, end.memory_bytes) == ("cancel", None, None)
        assert not end.memory_limit_hit

    begun(monkeypatch, test)


def test_no_clock_of_a_destroyed_cell_kills_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its descriptors' numbers and its cgroup may be another's by then."""

    async def test(program: Started) -> None:
        await program.bench.cell.destroy()
        for wall_ms in (1_001, 5_001, 7_000):
            assert not await program.at(wall_ms, cpu_ms=9_000)

    begun(monkeypatch, test)


@pytest.mark.parametrize("reports", [True, False], ids=["the agent tells", "the agent dies"])
@pytest.mark.parametrize("killed", [True, False], ids=["for memory", "for another reason"])
def test_what_dies_of_its_memory_before_it_begins_has_met_its_limit(
    reports: bool, killed: bool
) -> None:
    """So little memory that not even what waits for the program fits: the request's own mistake."""
    counted = Counted()

    async def test(bench: Bench) -> None:
        starting = asyncio.create_task(bench.cell.start(SPEC))
        await bench.agent.hear(frames.START)
        counted.has_oom_kill = killed
        failure = {"step": "start the runner", "detail": "BrokenPipeError"}
        if reports:
            await bench.agent.send(frames.encode_control(frames.FAILURE, failure))
        bench.agent.link.shutdown(socket.SHUT_RDWR)
        if not killed:
            with pytest.raises(SandboxFailure):
                await starting
            return
        (end,) = await everything(await starting)
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.memory_limit_hit) == ("memory", True)
        assert end.signal == signal.SIGKILL

    run(test, cast(Cgroup, counted))
