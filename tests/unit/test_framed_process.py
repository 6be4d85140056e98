"""A program's output, facts and limits, told by an agent that means ill."""

import asyncio
import json
import signal
import socket
import time
from dataclasses import replace

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.limits import Limits
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import DisplayData, DisplayLeftOut, Exit, Occurrence, Output
from vibecell.sandbox.framed import cell_reports

from .framed_bench import SPEC, Bench, everything, exit_frame, run


def test_an_honest_agent() -> None:
    async def test(bench: Bench) -> None:
        out, err = frames.encode(frames.STDOUT, b"a"), frames.encode(frames.STDERR, b"b")
        shown = frames.encode(frames.DISPLAY, b"{}")
        said = await bench.said(SPEC, out, err, shown, exit_frame(exit_code=3))
        assert said[:3] == [Output("stdout", b"a"), Output("stderr", b"b"), DisplayData(b"{}")]
        assert isinstance(said[3], Exit)
        assert (said[3].exit_code, said[3].signal) == (3, None)
        assert said[3].output_bytes == 4 + bounds.DISPLAY_COST_BYTES

    run(test)


@pytest.mark.parametrize(
    "facts",
    [
        {"exit_code": None},
        {"exit_code": "0"},
        {"exit_code": True},
        {"exit_code": 256},
        {"exit_code": -1},
        {"exit_code": 0.0},
        {"exit_code": 0, "signal": 9},
        {"exit_code": None, "signal": 0},
        {"exit_code": None, "signal": 65},
        {"exit_code": None, "signal": "SIGKILL"},
        {"exit_code": [0]},
        {"exit_code": 10**300},
    ],
    ids=str,
)
def test_an_end_that_is_none_is_a_failure(facts: dict[str, object]) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC, exit_frame(**facts))
        with pytest.raises(SandboxFailure, match="does not say how"):
            async for _ in process.read():
                pass

    run(test)


@pytest.mark.parametrize("name", ["cpu_time_ms", "memory_bytes", "processes"])
@pytest.mark.parametrize(
    "value", ["1", -1, 10**400, [], {}, True, "NaN", "Infinity", "-Infinity", "1e999"], ids=str
)
def test_a_measure_that_is_none_is_not_believed(name: str, value: object) -> None:
    written = value if isinstance(value, str) and value != "1" else json.dumps(value)
    payload = b'{"exit_code":0,"signal":null,"%s":%s}' % (name.encode(), str(written).encode())

    async def test(bench: Bench) -> None:
        (end,) = await bench.said(SPEC, frames.encode(frames.EXIT, payload))
        assert isinstance(end, Exit)
        assert getattr(end, name) is None

    run(test)


def test_flags_are_flags_and_nothing_else() -> None:
    async def test(bench: Bench) -> None:
        lie = exit_frame(process_limit_hit="yes", workspace_limit_hit=1, stopped_by="cancel")
        (end,) = await bench.said(SPEC, lie)
        assert isinstance(end, Exit)
        assert not end.process_limit_hit
        assert not end.workspace_limit_hit
        assert end.stopped_by is None

    run(test)


def test_exactly_one_exit_whatever_comes_after() -> None:
    async def test(bench: Bench) -> None:
        after = [exit_frame(exit_code=9), frames.encode(frames.STDOUT, b"ghost")]
        (end,) = await bench.said(SPEC, exit_frame(exit_code=1), *after)
        assert isinstance(end, Exit)
        assert end.exit_code == 1
        with pytest.raises(SandboxFailure):
            await bench.cell.collect(5, 100)

    run(test)


def test_a_flood_is_cut_at_the_limit_and_ended_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "END_GRACE_S", 0.1)

    async def test(bench: Bench) -> None:
        spec = replace(SPEC, limits=Limits(output_bytes=100_000))
        process = await bench.started(spec)

        async def flood() -> None:
            while bench.body.poll() is None:
                await bench.agent.send(frames.encode(frames.STDOUT, b"x" * 60_000))
            bench.agent.link.shutdown(socket.SHUT_RDWR)

        flooding = asyncio.create_task(flood())
        said = [x async for x in process.read()]
        await flooding
        end = said.pop()
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.truncated, end.signal) == ("output", True, signal.SIGKILL)
        assert sum(len(x.data) for x in said if isinstance(x, Output)) == 100_000

    run(test)


def test_both_streams_have_one_limit() -> None:
    async def test(bench: Bench) -> None:
        out = frames.encode(frames.STDOUT, b"x" * 8)
        err = frames.encode(frames.STDERR, b"y" * 8)
        late = frames.encode(frames.STDERR, b"z")
        spec = replace(SPEC, limits=Limits(output_bytes=10))
        *said, end = await bench.said(spec, out, err, late, exit_frame())
        assert said == [Output("stdout", b"x" * 8), Output("stderr", b"yy")]
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.truncated, end.output_bytes) == ("output", True, 17)

    run(test)


def test_a_flood_of_empty_frames_still_meets_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "END_GRACE_S", 0.05)

    async def test(bench: Bench) -> None:
        spec = replace(SPEC, limits=Limits(wall_time_ms=100))
        process = await bench.started(spec)

        async def flood() -> None:
            while bench.body.poll() is None:
                await bench.agent.send(frames.encode(frames.STDERR) * 500)
            bench.agent.link.shutdown(socket.SHUT_RDWR)

        flooding = asyncio.create_task(flood())
        (end,) = [x async for x in process.read()]
        await flooding
        assert isinstance(end, Exit)
        assert end.stopped_by == "wall_time"

    run(test)


def omitted(displays: object, size_bytes: object) -> bytes:
    return frames.encode_control(frames.OMITTED, {"displays": displays, "bytes": size_bytes})


def test_displays_and_output_have_one_limit() -> None:
    async def test(bench: Bench) -> None:
        shown = frames.encode(frames.DISPLAY, b"123456")
        out = frames.encode(frames.STDOUT, b"x" * 10)
        spec = replace(SPEC, limits=Limits(output_bytes=bounds.DISPLAY_COST_BYTES + 10))
        *said, end = await bench.said(spec, shown, out, shown, exit_frame())
        assert said == [DisplayData(b"123456"), Output("stdout", b"xxxx"), DisplayLeftOut()]
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.truncated) == ("output", True)
        assert end.output_bytes == 22 + 2 * bounds.DISPLAY_COST_BYTES

    run(test)


def test_what_is_passed_over_is_paid_for() -> None:
    async def test(bench: Bench) -> None:
        spec = replace(SPEC, limits=Limits(output_bytes=10_000))
        pieces = [omitted(1, 0), omitted(0, 5000), omitted(0, 5000)]
        *said, end = await bench.said(spec, *pieces, exit_frame())
        assert said == [DisplayLeftOut()]
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.truncated) == ("output", True)

    run(test)


@pytest.mark.parametrize(
    ("displays", "size_bytes"),
    [(2, 0), (-1, 0), (True, 0), (None, 0), (0, -1), (0, 2**63), (0, "1"), (0, None), (0, 0.5)],
    ids=str,
)
def test_what_is_passed_over_is_said_in_whole_numbers(displays: object, size_bytes: object) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC, omitted(displays, size_bytes))
        with pytest.raises(SandboxFailure, match="passed over"):
            await everything(process)

    run(test)


def test_who_stops_reading_in_the_middle_and_reads_on_misses_nothing() -> None:
    async def test(bench: Bench) -> None:
        said = [frames.encode(frames.STDOUT, b"%d" % number) for number in range(3)]
        process = await bench.started(SPEC, *said, exit_frame(exit_code=0))
        seen: list[Occurrence] = []
        for _ in range(4):
            async for occurrence in process.read():
                seen.append(occurrence)
                break
        assert seen[:3] == [Output("stdout", b"%d" % number) for number in range(3)]
        assert isinstance(seen[3], Exit)

    run(test)


def test_what_comes_with_the_end_is_kept_for_who_collects() -> None:
    """A fast agent sends its end and its files at once."""

    async def test(bench: Bench) -> None:
        head = frames.encode_control(frames.FILE, {"path": "a", "size_bytes": 3})
        content = frames.encode(frames.FILE_DATA, b"abc")
        done = frames.encode_control(frames.COLLECTED, {"omitted": 1})
        spec = replace(SPEC, collects=(5, 100))
        (end,) = await bench.said(spec, exit_frame(), head, content, done)
        assert isinstance(end, Exit)
        collected = await bench.cell.collect(5, 100)
        assert [(f.path, f.content) for f in collected.files] == [("a", b"abc")]
        assert collected.left_out == 1

    run(test)


def test_a_silent_agent_meets_the_wall_though_it_ignores_kill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "END_GRACE_S", 0.05)

    async def test(bench: Bench) -> None:
        process = await bench.started(replace(SPEC, limits=Limits(wall_time_ms=50)))
        reading = asyncio.create_task(everything(process))
        await bench.agent.hear(frames.KILL)
        assert await asyncio.to_thread(bench.body.wait, 5) == -signal.SIGKILL
        bench.agent.link.shutdown(socket.SHUT_RDWR)
        (end,) = await reading
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.signal) == ("wall_time", signal.SIGKILL)

    run(test)


def test_an_early_close_is_a_failure() -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC, frames.encode(frames.STDOUT, b"half"), b"\0\0\0\x09")
        bench.agent.link.shutdown(socket.SHUT_RDWR)
        seen: list[Occurrence] = []
        with pytest.raises(SandboxFailure, match="the cell died"):
            async for occurrence in process.read():
                seen.append(occurrence)
        assert seen == [Output("stdout", b"half")]

    run(test)


@pytest.mark.parametrize(
    ("payload", "believed_ns"),
    [(100, 100), (150, 150), (200, 200), (99, 100), (0, 100), (201, 200), (2**64 - 1, 200)],
)
def test_a_start_is_believed_within_what_can_be(payload: int, believed_ns: int) -> None:
    said = frames.STARTED_AT.pack(payload)
    assert cell_reports.started_ns(said, earliest_ns=100, latest_ns=200) == believed_ns


@pytest.mark.parametrize("payload", [b"", b"1234567", b"123456789"])
def test_a_start_without_its_moment_is_the_end_of_the_cell(payload: bytes) -> None:
    async def test(bench: Bench) -> None:
        starting = asyncio.create_task(bench.cell.start(SPEC))
        await bench.agent.hear(frames.START)
        await bench.agent.send(frames.encode(frames.STARTED, payload))
        with pytest.raises(SandboxFailure, match="does not say when"):
            await starting

    run(test)


def test_wall_time_counts_from_the_start_that_the_agent_tells() -> None:
    async def test(bench: Bench) -> None:
        starting = asyncio.create_task(bench.cell.start(SPEC))
        await bench.agent.hear(frames.START)
        told_s = time.monotonic()
        while time.monotonic() < told_s + 0.005:
            pass  # an engine that is late
        started = frames.STARTED_AT.pack(int(told_s * 1e9))
        await bench.agent.send(frames.encode(frames.STARTED, started), exit_frame())
        (end,) = [x async for x in (await starting).read()]
        assert isinstance(end, Exit)
        assert 5 <= end.wall_time_ms <= (time.monotonic() - told_s) * 1000

    run(test)
