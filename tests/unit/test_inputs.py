"""Input on its way to a program: bounded, in order, and nobody waits for the dead."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from vibecell.engine.inputs import MAX_BUFFERED_BYTES, Inputs
from vibecell.model.errors import Conflict

PIECE = b"x" * (64 * 1024)
ENOUGH_S = 20.0


class Reader:
    """A process that takes what it is given, when it may."""

    def __init__(self, reads: bool = True) -> None:
        self.reads = asyncio.Event()
        if reads:
            self.reads.set()
        self.read: list[bytes] = []
        self.ended = False

    async def write_stdin(self, data: bytes) -> None:
        await self.reads.wait()
        self.read.append(data)

    async def end_stdin(self) -> None:
        self.ended = True


def lived(scenario: Awaitable[Any]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(ENOUGH_S):
            await scenario

    asyncio.run(in_time())


async def until_it_waits(task: "asyncio.Task[None]") -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()


async def full(inputs: Inputs) -> "asyncio.Task[None]":
    """Fill the buffer; returns the writer that has to wait."""
    for _ in range(MAX_BUFFERED_BYTES // len(PIECE)):
        async with asyncio.timeout(ENOUGH_S):
            await inputs.put(PIECE)
    writer = asyncio.create_task(inputs.put(b"one too many"))
    await until_it_waits(writer)
    return writer


def test_who_writes_to_a_program_that_does_not_read_is_held_up() -> None:
    async def scenario() -> None:
        inputs = Inputs(open_=True)
        writer = await full(inputs)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    lived(scenario())


def test_a_program_that_reads_on_is_given_any_amount() -> None:
    async def scenario() -> None:
        inputs, reader = Inputs(open_=True), Reader()
        process: Any = reader
        feeding = asyncio.create_task(inputs.feed(process))
        for number in range(4 * MAX_BUFFERED_BYTES // len(PIECE)):
            await inputs.put(b"%06d" % number + PIECE)
        await inputs.end()
        await feeding
        assert [piece[:6] for piece in reader.read] == [b"%06d" % n for n in range(16)]
        assert reader.ended

    lived(scenario())


def test_a_writer_goes_on_as_soon_as_the_program_reads() -> None:
    async def scenario() -> None:
        inputs, reader = Inputs(open_=True), Reader()
        writer = await full(inputs)
        process: Any = reader
        feeding = asyncio.create_task(inputs.feed(process))
        await writer
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)

    lived(scenario())


@pytest.mark.parametrize("how", ["end", "close"])
def test_a_writer_that_waits_is_told_when_nobody_will_read(how: str) -> None:
    async def scenario() -> None:
        inputs = Inputs(open_=True)
        writer = await full(inputs)
        await getattr(inputs, how)()
        with pytest.raises(Conflict):
            await writer
        with pytest.raises(Conflict):
            await inputs.put(b"later")

    lived(scenario())


def test_the_end_of_input_comes_after_all_of_it() -> None:
    async def scenario() -> None:
        inputs, reader = Inputs(open_=True), Reader()
        for piece in (b"a", b"b", b"c"):
            await inputs.put(piece)
        await inputs.end()
        process: Any = reader
        await inputs.feed(process)
        assert (reader.read, reader.ended) == ([b"a", b"b", b"c"], True)

    lived(scenario())


def test_input_that_came_with_the_request_is_all_there_is() -> None:
    async def scenario() -> None:
        with pytest.raises(Conflict):
            await Inputs(open_=False).put(b"more")

    lived(scenario())
