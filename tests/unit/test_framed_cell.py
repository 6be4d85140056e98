"""The life of a framed cell whose agent means ill: its start, its files, its end."""

import asyncio
import os
import socket
from dataclasses import replace

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import OmittedFile
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import Collection, Exit
from vibecell.sandbox.framed import cell as framed_cell
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms import deadlines

from .descriptors import open_descriptors
from .framed_bench import SPEC, Bench, body_of_agent, exit_frame, run


def not_sent(path: str, reason: str = "no_room") -> bytes:
    facts = {"path": path, "size_bytes": 7, "reason": reason}
    return frames.encode_control(frames.NOT_SENT, facts)


def test_what_is_left_out_is_named_and_counted_at_least_as_often() -> None:
    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(
            not_sent("a\nb", "too_large"),
            not_sent("a"),
            frames.encode_control(frames.COLLECTED, {"omitted": 1}),
        )
        named = (OmittedFile("a\nb", 7, "too_large"), OmittedFile("a", 7, "no_room"))
        assert await collecting == Collection(omitted=named, left_out=2)

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


def test_input_that_nobody_read_does_not_delay_the_files() -> None:
    async def test(bench: Bench) -> None:
        spec = replace(SPEC, stdin=b"x" * 2_000_000, interactive=False)
        said = await bench.said(spec, exit_frame())
        assert isinstance(said[-1], Exit)
        collecting = asyncio.create_task(bench.cell.collect(5, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(frames.encode_control(frames.COLLECTED, {"omitted": 0}))
        assert await collecting == Collection(())

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
        [frames.encode(frames.COLLECTED, b"7")],
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


@pytest.mark.parametrize(
    "answer",
    [
        [frames.encode_control(frames.FILE, {"path": f"f{i}"}) for i in range(4)],
        [
            frames.encode_control(frames.FILE, {"path": "a"}),
            frames.encode(frames.FILE_DATA, b"x" * 60),
            frames.encode_control(frames.FILE, {"path": "b"}),
            frames.encode(frames.FILE_DATA, b"x" * 41),
        ],
        [not_sent(f"f{i}") for i in range(65)],
        [frames.encode_control(frames.FILE, {"path": path}) for path in ("a", "b", "a")],
        [frames.encode_control(frames.FILE, {"path": path}) for path in ("a/b/c", "a")],
    ],
    ids=["one file too many", "one byte too many in all", "one name too many", "twice", "in it"],
)
def test_more_than_was_asked_for_is_not_taken_though_it_ends_well(answer: list[bytes]) -> None:
    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(*answer, frames.encode_control(frames.COLLECTED, {"omitted": 0}))
        with pytest.raises(SandboxFailure, match=r"more than was asked for|each other's place"):
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
            frames.encode_control(frames.COLLECTED, {"omitted": -1}),
        )
        (file,) = (await collecting).files
        assert (file.path, file.content) == ("a", b"abc")

    run(test)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"omitted": 0}, 0),
        ({"omitted": 7}, 7),
        ({"omitted": 2**53}, 2**53),
        ({"omitted": 2**53 + 1}, 0),
        ({"omitted": -1}, 0),
        ({"omitted": 1.5}, 0),
        ({"omitted": True}, 0),
        ({"omitted": "7"}, 0),
        ({"omitted": None}, 0),
        ({}, 0),
    ],
    ids=str,
)
def test_how_many_were_left_out_is_a_whole_number(said: dict[str, object], read: int) -> None:
    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.hear(frames.COLLECT)
        await bench.agent.send(frames.encode_control(frames.COLLECTED, said))
        assert await collecting == Collection(left_out=read)

    run(test)


def test_files_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "COLLECT_DEADLINE_S", 0.1)

    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.send(frames.encode_control(frames.FILE, {"path": "a"}))
        with pytest.raises(SandboxFailure, match="does not answer"):
            await collecting

    run(test)


def test_files_of_which_ever_more_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "COLLECT_DEADLINE_S", 0.2)

    async def test(bench: Bench) -> None:
        await bench.said(SPEC, exit_frame())
        collecting = asyncio.create_task(bench.cell.collect(3, 100))
        await bench.agent.send(frames.encode_control(frames.FILE, {"path": "a"}))

        async def flood() -> None:
            while not collecting.done():
                await bench.agent.send(frames.encode(frames.FILE_DATA) * 500)

        flooding = asyncio.create_task(flood())
        with pytest.raises(SandboxFailure, match="does not answer"):
            await collecting
        flooding.cancel()

    run(test)


def test_a_cell_that_says_something_unasked_is_not_warm() -> None:
    async def test(bench: Bench) -> None:
        assert bench.cell.is_alive
        await bench.agent.send(frames.encode_control(frames.FAILURE, {"step": "x"}))
        assert not bench.cell.is_alive

    run(test)


def test_a_cell_under_a_zygote_that_has_ended_is_not_warm() -> None:
    """Its agent outlives the zygote for a moment, and says nothing of it."""

    async def test() -> None:
        here, there = socket.socketpair()
        here.setblocking(False)
        with body_of_agent() as body, there:
            zygote = [True]
            identity = CellIdentity(7, None, None, lambda: None)
            cell = FramedCell(
                here, os.pidfd_open(body.pid), identity, lambda _: {}, zygote.pop, lambda: zygote[0]
            )
            assert cell.is_alive
            zygote[0] = False
            assert not cell.is_alive
            await cell.destroy()

    asyncio.run(test())


def test_a_cell_that_cannot_be_ended_keeps_its_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "DEATH_DEADLINE_S", 0.05)
    monkeypatch.setattr(FramedCell, "kill", lambda _self: None)

    async def test() -> None:
        before = open_descriptors()
        here, there = socket.socketpair()
        here.setblocking(False)
        gone: list[str] = []
        with body_of_agent() as body, there:
            pidfd = os.pidfd_open(body.pid)
            identity = CellIdentity(7, None, None, lambda: gone.append("uid"))
            cell = FramedCell(here, pidfd, identity, lambda _: {}, lambda: gone.append("cell"))
            await cell.destroy()
            assert gone == ["cell"]
        assert open_descriptors() <= before

    asyncio.run(test())
