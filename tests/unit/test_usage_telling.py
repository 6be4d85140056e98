"""What a program uses, told while it runs: how often, how much, and within the laws."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.engine import usage_telling
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import RUN, Plan, Stage
from vibecell.engine.usage_telling import EVENTS_AT_A_PACE, MAX_EVENTS, UsageTelling
from vibecell.model.errors import InvalidRequest
from vibecell.model.events import Exited, Finished, NumberedEvent, Started, Stream, UsageSample
from vibecell.model.execution import ExecutionRequest, SourceFile, Usage
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import ProcessSpec
from vibecell.sandbox.fake.scripted_backend import MADE_UP_MEMORY_BYTES, FakeBackend
from vibecell.wire.link import LENGTH_BYTES, decode_event
from vibecell.wire.requests import decode_execute


async def events_of(code: str, interval_ms: int | None) -> list[NumberedEvent]:
    source = (SourceFile("main.py", code.encode()),)
    request = ExecutionRequest("python", source, usage_interval_ms=interval_ms)
    spec = ProcessSpec(mode="in_place", entrypoint="main.py", argv=(), files=source)
    log, backend = EventLog(), FakeBackend()
    await backend.open()
    await Execution("id", request, Plan("python", WarmProfile("x"), (Stage(RUN, spec),)), log).run(
        None, backend
    )
    return [decode_event(m[LENGTH_BYTES:]) for m in log.all_messages() or ()]


def test_what_is_used_is_told_as_often_as_was_asked() -> None:
    events = asyncio.run(events_of("work(0.3)\nprint('twelve letters')\nsleep(0.55)", 100))
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    samples = [e.event for e in events if isinstance(e.event, UsageSample)]
    assert 3 <= len(samples) <= 5
    assert {s.stage for s in samples} == {RUN}
    for at, sample in enumerate(samples, 1):
        assert sample.usage.wall_time_ms >= at * 95
        assert sample.usage.cpu_time_ms == 301.0
        assert sample.usage.memory_bytes == MADE_UP_MEMORY_BYTES
        assert (sample.usage.processes, sample.usage.output_bytes) == (1, 15)
    kinds = [type(e.event) for e in events]
    assert kinds[0] is Started
    assert kinds[-2:] == [Exited, Finished]
    assert kinds.index(Stream) < kinds.index(UsageSample)


def test_nothing_is_told_where_nobody_asked() -> None:
    events = asyncio.run(events_of("sleep(0.3)", None))
    assert [type(e.event) for e in events] == [Started, Exited, Finished]


def test_a_program_that_ends_first_has_no_sample_and_none_comes_late() -> None:
    faults: list[dict[str, Any]] = []

    async def tried() -> list[NumberedEvent]:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        events = await events_of("print(1)", 100)
        await asyncio.sleep(0.15)  # a look after the end would raise: the log is finished
        return events

    assert not [e for e in asyncio.run(tried()) if isinstance(e.event, UsageSample)]
    assert not faults


def test_a_character_is_not_split_by_a_sample() -> None:
    whole = "ä".encode()
    code = f"write({whole[:1]!r})\nsleep(0.25)\nwrite({whole[1:]!r})"
    events = asyncio.run(events_of(code, 100))
    assert [e.event.data for e in events if isinstance(e.event, Stream)] == [whole]
    assert [e for e in events if isinstance(e.event, UsageSample)]


class LoopOfOurs:
    """Calls what is due when it is told to, at once, and notes how long it would have waited."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.due: Any = None

    def call_later(self, delay_s: float, call: Any, *arguments: Any) -> asyncio.TimerHandle:
        self.waits_s.append(delay_s)
        self.due = (call, arguments)
        return None  # type: ignore[return-value]


@settings(max_examples=10)
@given(stages=st.lists(st.integers(0, 700), min_size=1, max_size=4))
def test_however_long_it_runs_the_events_are_bounded(stages: list[int]) -> None:
    loop = LoopOfOurs()
    told: list[UsageSample] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage_telling.asyncio, "get_running_loop", lambda: loop)
        telling = UsageTelling(100, told.append)
        for looks in stages:
            telling.begin("run", Quiet())
            for _ in range(looks):
                if loop.due is not None:
                    (call, arguments), loop.due = loop.due, None
                    call(*arguments)
            loop.due = None
    assert len(told) == min(sum(stages), MAX_EVENTS)
    for number, wait_s in enumerate(loop.waits_s):
        if number < EVENTS_AT_A_PACE:
            assert wait_s == 0.1
    assert all(wait_s in (0.1, 0.2, 0.4, 0.8) for wait_s in loop.waits_s)


class Quiet:
    def usage_now(self) -> Usage:
        return Usage()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not to be asked for")


@pytest.mark.parametrize("interval_ms", [99, 0, -1, 60_001, 100.5, True, "500", [500]])
def test_an_interval_that_would_flood_or_is_none_is_refused(interval_ms: object) -> None:
    with pytest.raises(InvalidRequest, match="usage_interval_ms"):
        decode_execute({"code": "1", "usage_interval_ms": interval_ms})


def test_an_interval_within_its_bounds_is_taken() -> None:
    for interval_ms in (100, 500, 60_000):
        body = decode_execute({"code": "1", "usage_interval_ms": interval_ms})
        assert body.model_dump()["usage_interval_ms"] == interval_ms
