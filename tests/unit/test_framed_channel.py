"""A framed socket against an agent that breaks the protocol, or reads nothing."""

import asyncio
import json
from dataclasses import replace

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure

from .framed_bench import SPEC, Bench, everything, run


@pytest.mark.parametrize(
    "wrong",
    [
        frames.encode(0x00),
        frames.encode(0xFF, b"x"),
        frames.encode_control(frames.START, {}),
        frames.encode_control(frames.HELLO, {"protocol": 2}),
        frames.encode(frames.STARTED),
        frames.encode_control(frames.COLLECTED, {"omitted": 0}),
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


def test_a_cell_destroyed_under_its_senders_and_reader() -> None:
    """Input that nobody takes, a reader that waits: both are let go."""

    async def test(bench: Bench) -> None:
        process = await bench.started(replace(SPEC, stdin=b"x" * 4_000_000))
        writing = asyncio.create_task(process.write_stdin(b"y" * 4_000_000))
        reading = asyncio.create_task(everything(process))
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
