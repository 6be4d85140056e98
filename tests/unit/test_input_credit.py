"""Input goes no faster than it is taken, and never in the way of a control."""

import asyncio
import json
from dataclasses import replace

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import Undelivered
from vibecell.sandbox.framed.cell import EARLY_STDIN_BYTES
from vibecell.sandbox.framed.process import FramedProcess

from .framed_bench import SPEC, Bench, everything, exit_frame, run

WINDOW_BYTES = frames.INPUT_WINDOW_BYTES
SENT = bytes(range(256)) * 8192  # 2 MiB


def taken(size_bytes: object) -> bytes:
    return frames.encode_control(frames.TAKEN, {"bytes": size_bytes})


async def hear_until(bench: Bench, wanted: int) -> tuple[bytes, list[int]]:
    """The input that comes before a frame, and the kinds of all frames until then."""
    parser = frames.FrameParser(frames.TO_AGENT)
    heard, kinds = b"", list[int]()
    loop = asyncio.get_running_loop()
    while wanted not in kinds:
        data = await loop.sock_recv(bench.agent.link, 65536)
        assert data, "the engine has hung up"
        for kind, _, payload in parser.feed(data):
            kinds.append(kind)
            heard += payload if kind == frames.STDIN else b""
    return heard, kinds


async def ended(bench: Bench, process: FramedProcess) -> None:
    await bench.agent.send(exit_frame())
    await everything(process)


def test_a_signal_overtakes_what_is_not_taken() -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        writing = asyncio.create_task(process.write_stdin(SENT))
        ending = asyncio.create_task(process.end_stdin())
        await asyncio.sleep(0.05)
        await process.send_signal(2)
        heard, kinds = await hear_until(bench, frames.SIGNAL)
        assert heard == SENT[:WINDOW_BYTES]
        assert frames.EOF not in kinds
        assert not writing.done()
        await ended(bench, process)
        await writing
        await ending

    run(test)


def test_an_agent_that_takes_gets_all_of_it_and_then_the_end() -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        reading = asyncio.create_task(everything(process))
        writing = asyncio.create_task(process.write_stdin(SENT))
        ending = asyncio.create_task(process.end_stdin())
        parser, heard, is_over = frames.FrameParser(frames.TO_AGENT), b"", False
        while not is_over:
            data = await asyncio.get_running_loop().sock_recv(bench.agent.link, 65536)
            for kind, _, payload in parser.feed(data):
                assert not is_over
                heard += payload
                is_over = kind == frames.EOF
                if kind == frames.STDIN:
                    await bench.agent.send(taken(len(payload)))
        assert heard == SENT
        await writing
        await ending
        await bench.agent.send(exit_frame())
        await reading

    run(test)


def test_input_sent_with_the_start_counts() -> None:
    async def test(bench: Bench) -> None:
        spec = replace(SPEC, interactive=False, stdin=b"x" * EARLY_STDIN_BYTES)
        process = await bench.started(spec)
        writing = asyncio.create_task(process.write_stdin(SENT))
        await asyncio.sleep(0.05)
        await process.resize(1, 1)
        heard, _ = await hear_until(bench, frames.RESIZE)
        # whole frames only, so less than the window fits beside what went first
        assert WINDOW_BYTES // 2 <= len(heard) <= WINDOW_BYTES - EARLY_STDIN_BYTES
        await ended(bench, process)
        await writing

    run(test)


@pytest.mark.parametrize(
    "claim",
    [0, -1, 6, WINDOW_BYTES, WINDOW_BYTES + 1, 2**62, True, "5", None, 5.0, [5]],
    ids=str,
)
def test_input_that_was_not_sent_cannot_be_taken(claim: object) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        await process.write_stdin(b"12345")
        await bench.agent.send(taken(claim))
        with pytest.raises(SandboxFailure):
            await everything(process)

    run(test)


def test_what_was_taken_cannot_be_taken_again() -> None:
    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        await process.write_stdin(b"12345")
        await bench.agent.send(taken(5), taken(1))
        with pytest.raises(SandboxFailure):
            await everything(process)

    run(test)


def test_a_control_that_is_not_taken_is_told_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An agent that has stopped listening costs its sender a moment, and no memory."""
    monkeypatch.setattr(bounds, "CONTROL_DEADLINE_S", 0.02)

    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        told = 0
        for _ in range(100_000):
            try:
                await process.resize(1000, 1000)
            except Undelivered:
                told += 1
                if told == 5:
                    break
        assert told == 5
        assert (
            len(asyncio.all_tasks()) <= 3
        )  # this, the one being sent, and one that has just ended
        with pytest.raises(Undelivered):
            await process.send_signal(2)

    run(test)


def test_a_control_waits_for_its_turn_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said before arrives before, also where a socket was full for a while."""
    monkeypatch.setattr(bounds, "CONTROL_DEADLINE_S", 60.0)

    async def test(bench: Bench) -> None:
        process = await bench.started(SPEC)
        wanted = list(range(1, 1001))
        controls = [asyncio.create_task(process.resize(n, 1)) for n in wanted]
        await asyncio.sleep(0.05)
        assert not all(control.done() for control in controls), "the socket was never full"
        parser, sizes = frames.FrameParser(frames.TO_AGENT), list[int]()
        while len(sizes) < len(wanted):
            heard = await asyncio.get_running_loop().sock_recv(bench.agent.link, 1 << 20)
            sizes += [json.loads(p)["columns"] for _, _, p in parser.feed(heard)]
        assert sizes == wanted
        await asyncio.gather(*controls)

    run(test)
