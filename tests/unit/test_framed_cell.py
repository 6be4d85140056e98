"""A cell's engine end against an agent that means ill.

The agent here is a script on the other end of a socket pair, and a true,
harmless process stands for its pid. Whatever it sends, the worst that may
happen is the end of its own cell, named as a failure of the sandbox.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import DisplayData, Exit, Occurrence, Output, ProcessSpec
from vibecell.sandbox.framed import cell as framed_cell
from vibecell.sandbox.framed import process as framed_process
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.identity import CellIdentity

from .descriptors import open_descriptors

SPEC = ProcessSpec(mode="in_place", entrypoint="main.py", argv=(), interactive=True)
ENDED = {"exit_code": 0, "signal": None}
FOR_EVER_S = 8.0


class Agent:
    """The hostile end: sends what a test tells it to."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._loop = asyncio.get_running_loop()
        link.setblocking(False)

    async def send(self, *pieces: bytes) -> None:
        await self._loop.sock_sendall(self.link, b"".join(pieces))

    async def hear(self, wanted: int) -> bytes:
        """The payload of the next frame of a type; others are passed over."""
        parser = frames.FrameParser(frames.TO_AGENT)
        while True:
            data = await self._loop.sock_recv(self.link, 65536)
            assert data, "the engine has hung up"
            for kind, _, payload in parser.feed(data):
                if kind == wanted:
                    return payload


class Bench:
    """A cell, its agent, and what became of both."""

    def __init__(self, cell: FramedCell, agent: Agent, body: "subprocess.Popen[bytes]") -> None:
        self.cell = cell
        self.agent = agent
        self.body = body
        self.uids_back = 0
        self.destroyed = 0

    async def started(
        self, spec: ProcessSpec = SPEC, *after: bytes
    ) -> framed_process.FramedProcess:
        starting = asyncio.create_task(self.cell.start(spec))
        await self.agent.hear(frames.START)
        await self.agent.send(frames.encode(frames.STARTED), *after)
        return await starting

    async def said(self, spec: ProcessSpec = SPEC, *after: bytes) -> list[Occurrence]:
        process = await self.started(spec, *after)
        return [x async for x in process.read()]


@contextmanager
def _body() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-Sc", "import time; time.sleep(60)"]) as process:
        try:
            yield process
        finally:
            process.kill()


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a test; whatever it did, the cell ends and gives everything back."""

    async def whole() -> None:
        before = open_descriptors()
        here, there = socket.socketpair()
        here.setblocking(False)
        with _body() as body, there:
            bench: Bench

            def uid_back() -> None:
                bench.uids_back += 1

            def gone() -> None:
                bench.destroyed += 1

            identity = CellIdentity(7, None, None, uid_back)
            pidfd = os.pidfd_open(body.pid)
            cell = FramedCell(here, pidfd, identity, lambda spec: {"x": spec.mode}, gone)
            bench = Bench(cell, Agent(there), body)
            async with asyncio.timeout(FOR_EVER_S):
                await test(bench)
                await cell.destroy()
                await cell.destroy()
            assert body.wait(5) == -signal.SIGKILL
            assert (bench.uids_back, bench.destroyed) == (1, 1)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=1) if others else None
            assert not [t for t in others if not t.done()], "nobody waits for ever"
        assert open_descriptors() <= before, "the link is closed as well"

    asyncio.run(whole())


def exit_frame(**facts: object) -> bytes:
    return frames.encode_control(frames.EXIT, {**ENDED, **facts})


def test_an_honest_agent() -> None:
    async def test(bench: Bench) -> None:
        out, err = frames.encode(frames.STDOUT, b"a"), frames.encode(frames.STDERR, b"b")
        shown = frames.encode(frames.DISPLAY, b"{}")
        said = await bench.said(SPEC, out, err, shown, exit_frame(exit_code=3))
        assert said[:3] == [Output("stdout", b"a"), Output("stderr", b"b"), DisplayData(b"{}")]
        assert isinstance(said[3], Exit)
        assert (said[3].exit_code, said[3].signal, said[3].output_bytes) == (3, None, 2)

    run(test)


@pytest.mark.parametrize(
    "wrong",
    [
        frames.encode(0x00),
        frames.encode(0xFF, b"x"),
        frames.encode_control(frames.START, {}),
        frames.encode_control(frames.HELLO, {"protocol": 1}),
        frames.encode(frames.STARTED),
        frames.encode_control(frames.COLLECTED, {"skipped": 0}),
        frames.encode_control(frames.FILE, {"path": "a", "size_bytes": 1}),
        frames.HEADER.pack(frames.MAX_DATA_BYTES + 1, frames.STDOUT, 0),
        frames.HEADER.pack(2**32 - 1, frames.DISPLAY, 0),
        frames.encode(frames.EXIT, b"not json"),
        frames.encode(frames.EXIT, b"[]"),
        frames.encode(frames.EXIT, b"\xff"),
        frames.encode(frames.FAILURE, b"not json"),
        frames.encode_control(frames.FAILURE, {"step": ["x"] * 10, "detail": "y" * 10_000}),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_wrong_frame_is_the_end_of_the_cell(wrong: bytes) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(SandboxFailure) as failure:
            await bench.said(SPEC, wrong)
        assert len(str(failure.value)) < 1000

    run(test)


@pytest.mark.parametrize(
    "answer",
    [
        frames.encode(frames.STDOUT, b"early"),
        exit_frame(),
        frames.encode(0x77),
        frames.encode_control(frames.FAILURE, {"step": "mount", "detail": "no"}),
        b"",
    ],
    ids=["output", "exit", "unknown", "failure", "hang-up"],
)
def test_a_wrong_answer_to_start(answer: bytes) -> None:
    async def test(bench: Bench) -> None:
        starting = asyncio.create_task(bench.cell.start(SPEC))
        await bench.agent.hear(frames.START)
        await bench.agent.send(answer) if answer else bench.agent.link.shutdown(socket.SHUT_RDWR)
        with pytest.raises(SandboxFailure):
            await starting

    run(test)


def test_no_answer_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_cell, "START_DEADLINE_S", 0.05)

    async def test(bench: Bench) -> None:
        with pytest.raises(SandboxFailure, match="start the program"):
            await bench.cell.start(SPEC)

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
    monkeypatch.setattr(framed_process, "END_GRACE_S", 0.1)

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


def test_a_flood_of_empty_frames_still_meets_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_process, "END_GRACE_S", 0.05)

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


def test_displays_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_process, "MAX_DISPLAY_TOTAL_BYTES", 10)

    async def test(bench: Bench) -> None:
        shown = frames.encode(frames.DISPLAY, b"123456")
        said = await bench.said(SPEC, shown, shown, exit_frame())
        assert [type(x) for x in said] == [DisplayData, Exit]

    run(test)


def test_a_silent_agent_meets_the_wall_though_it_ignores_kill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(framed_process, "END_GRACE_S", 0.05)

    async def test(bench: Bench) -> None:
        process = await bench.started(replace(SPEC, limits=Limits(wall_time_ms=50)))
        reading = asyncio.create_task(_all(process))
        await bench.agent.hear(frames.KILL)
        assert await asyncio.to_thread(bench.body.wait, 5) == -signal.SIGKILL
        bench.agent.link.shutdown(socket.SHUT_RDWR)
        (end,) = await reading
        assert isinstance(end, Exit)
        assert (end.stopped_by, end.signal) == ("wall_time", signal.SIGKILL)

    run(test)


async def _all(process: framed_process.FramedProcess) -> list[Occurrence]:
    return [x async for x in process.read()]


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


def test_a_cell_destroyed_under_its_senders_and_reader() -> None:
    """Input that nobody takes, a reader that waits: both are let go."""

    async def test(bench: Bench) -> None:
        process = await bench.started(replace(SPEC, stdin=b"x" * 4_000_000))
        writing = asyncio.create_task(process.write_stdin(b"y" * 4_000_000))
        reading = asyncio.create_task(_all(process))
        await asyncio.sleep(0.05)
        await bench.cell.destroy()
        await writing
        with pytest.raises(SandboxFailure):
            await reading

    run(test)


def test_a_cancelled_sender_cuts_no_frame_in_two() -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        writing = asyncio.create_task(process.write_stdin(b"z" * 1_000_000))
        await asyncio.sleep(0.05)
        writing.cancel()
        resizing = asyncio.create_task(process.resize(10, 20))
        assert json.loads(await bench.agent.hear(frames.RESIZE)) == {"columns": 10, "rows": 20}
        await resizing

    run(test)


def test_input_that_nobody_read_does_not_delay_the_files() -> None:
    async def test(bench: Bench) -> None:
        spec = replace(SPEC, stdin=b"x" * 2_000_000, interactive=False)
        said = await bench.said(spec, exit_frame())
        assert isinstance(said[-1], Exit)
        collecting = asyncio.create_task(bench.cell.collect(5, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(frames.encode_control(frames.COLLECTED, {"skipped": 0}))
        assert await collecting == ()

    run(test)


@pytest.mark.parametrize(
    "answer",
    [
        [frames.encode_control(frames.FILE, {"path": f"f{i}"}) for i in range(4)],
        [
            frames.encode_control(frames.FILE, {"path": "a"}),
            frames.encode(frames.FILE_DATA, b"x" * 101),
        ],
        [frames.encode(frames.FILE_DATA, b"x")],
        [frames.encode_control(frames.FILE, {"path": 5})],
        [frames.encode_control(frames.FILE, {})],
        [frames.encode_control(frames.FILE, {"path": "../up"})],
        [frames.encode_control(frames.FILE, {"path": "/etc/passwd"})],
        [frames.encode_control(frames.FILE, {"path": ""})],
        [frames.encode(frames.FILE, b"{")],
        [exit_frame()],
        [frames.encode(frames.STDOUT, b"x")],
        [frames.encode_control(frames.FAILURE, {"step": "collect"})],
    ],
    ids=lambda pieces: repr(b"".join(pieces)[7:40]),
)
def test_lies_about_files(answer: list[bytes]) -> None:
    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(*answer)
        with pytest.raises(SandboxFailure):
            await collecting

    run(test)


def test_a_claimed_size_is_not_believed() -> None:
    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(
            frames.encode_control(frames.FILE, {"path": "a", "size_bytes": 2**62}),
            frames.encode(frames.FILE_DATA, b"abc"),
            frames.encode_control(frames.COLLECTED, {"skipped": -1}),
        )
        (file,) = await collecting
        assert (file.path, file.content) == ("a", b"abc")

    run(test)


def test_files_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_cell, "COLLECT_DEADLINE_S", 0.1)

    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.send(frames.encode_control(frames.FILE, {"path": "a"}))
        with pytest.raises(SandboxFailure, match="does not answer"):
            await collecting

    run(test)


def test_a_cell_that_says_something_unasked_is_not_warm() -> None:
    async def test(bench: Bench) -> None:
        assert bench.cell.is_alive
        await bench.agent.send(frames.encode_control(frames.FAILURE, {"step": "x"}))
        assert not bench.cell.is_alive

    run(test)


def test_a_cell_that_cannot_be_ended_keeps_its_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_cell, "DEATH_DEADLINE_S", 0.05)
    monkeypatch.setattr(FramedCell, "kill", lambda _self: None)

    async def test() -> None:
        before = open_descriptors()
        here, there = socket.socketpair()
        here.setblocking(False)
        gone: list[str] = []
        with _body() as body, there:
            pidfd = os.pidfd_open(body.pid)
            identity = CellIdentity(7, None, None, lambda: gone.append("uid"))
            cell = FramedCell(here, pidfd, identity, lambda _: {}, lambda: gone.append("cell"))
            await cell.destroy()
            assert gone == ["cell"]
        assert open_descriptors() <= before

    asyncio.run(test())
