"""A program is still when it has read what it was sent, prints nothing and uses no processor."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from vibecell.cell import frames
from vibecell.sandbox import bounds
from vibecell.sandbox.framed.stillness import Stillness
from vibecell.sandbox.mechanisms.cgroup import Cgroup

from .framed_bench import SPEC, Bench, everything, exit_frame, run
from .test_framed_meters import CountedCgroup

LOOKS_S = 0.02


def looked(*looks: tuple[float | None, int, bool]) -> list[bool]:
    told: list[bool] = []
    stillness = Stillness(told.append)
    for look in looks:
        stillness.look(*look)
    return told


def test_who_does_nothing_between_two_looks_is_still() -> None:
    assert looked((50.0, 8, False)) == []
    assert looked((50.0, 8, False), (50.2, 8, False), (50.2, 8, False)) == [True, True]


@pytest.mark.parametrize("second", [(52.0, 8, False), (50.0, 9, False), (50.0, 8, True)])
def test_who_computes_prints_or_has_not_read_is_not(second: tuple[float, int, bool]) -> None:
    assert looked((50.0, 8, False), second) == []
    assert looked((50.0, 8, False), (50.0, 8, False), second) == [True, False]


def test_who_cannot_be_measured_is_never_still() -> None:
    assert looked((None, 8, False), (None, 8, False)) == []
    assert looked((50.0, 8, False), (None, 8, False), (50.0, 8, False)) == []


def test_going_on_is_told_once() -> None:
    told: list[bool] = []
    stillness = Stillness(told.append)
    stillness.move()
    stillness.look(1.0, 0, False)
    stillness.look(1.0, 0, False)
    stillness.move()
    stillness.move()
    assert told == [True, False]


class QuietCgroup(CountedCgroup):
    """Of a program that uses nothing, unless a test says so."""

    def process_limit_hit(self) -> bool:
        return False

    def memory_limit_hit(self) -> bool:
        return False

    def memory_peak_bytes(self) -> int:
        return 1

    def processes(self) -> tuple[int, ...]:
        return ()

    def kill(self) -> None: ...

    def remove(self) -> None: ...


class Watched:
    """What is told of a program, in a bench whose looks are quick."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "STILL_S", LOOKS_S)
        self.cgroup = QuietCgroup()
        self.told: list[bool] = []
        self.spec = replace(SPEC, tell_waiting=self.told.append)

    def run(self, test: Any) -> None:
        run(test, cast(Cgroup, self.cgroup))

    async def until_told(self, waits: bool) -> None:
        while not self.told or self.told[-1] is not waits:
            await asyncio.sleep(LOOKS_S / 4)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_input_output_and_computing_wake_who_waited(watched: Watched) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(watched.spec)
        reading = asyncio.create_task(everything(process))
        await watched.until_told(True)
        await process.write_stdin(b"x")
        assert watched.told[-1] is False, "at once, before the program has it"
        await asyncio.sleep(LOOKS_S * 4)
        assert watched.told[-1] is False, "the agent has not passed it on"
        await bench.agent.send(frames.encode_control(frames.TAKEN, {"bytes": 1}))
        await watched.until_told(True)
        await bench.agent.send(frames.encode(frames.STDOUT, b"y"))
        await watched.until_told(False)
        await watched.until_told(True)
        watched.cgroup.used_ns += 50_000_000
        await watched.until_told(False)
        await watched.until_told(True)
        await process.send_signal(2)
        assert watched.told[-1] is False
        await watched.until_told(True)
        await bench.agent.send(exit_frame())
        await reading
        assert watched.told[-1] is False, "an end is no waiting"

    watched.run(test)


def test_who_sleeps_after_the_end_of_input_waits_for_none(watched: Watched) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(watched.spec)
        reading = asyncio.create_task(everything(process))
        await watched.until_told(True)
        await process.end_stdin()
        await asyncio.sleep(LOOKS_S * 5)
        assert watched.told[-1] is False
        await bench.agent.send(exit_frame())
        await reading

    watched.run(test)


def test_who_has_no_input_to_wait_for_is_not_looked_at(watched: Watched) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(replace(watched.spec, interactive=False))
        reading = asyncio.create_task(everything(process))
        await asyncio.sleep(LOOKS_S * 5)
        await bench.agent.send(exit_frame())
        await reading
        assert watched.told == []

    watched.run(test)
