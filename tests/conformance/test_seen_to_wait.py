"""Who waits for input is seen to, wherever processor time is counted; nobody else is."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import KINDS, QUICK_LIMITS, Cells, Gathered, docker_host_for, gather, python
from vibecell.sandbox.bounds import STILL_S

PATIENCE_S = 20.0
LIMITS = replace(QUICK_LIMITS, wall_time_ms=30_000, cpu_time_ms=20_000)


@pytest.fixture(scope="module", params=[kind for kind in KINDS if "fresh" not in kind])
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    host = docker_host_for(request.param, request)
    with Cells(request.param, ("python-light",), bounds=(1, 1), docker_host=host) as cells:
        yield cells


def told_while(cells: Cells, source: str, given: bytes) -> tuple[list[bool], bool, Gathered]:
    """What was told of a program that got input once seen to wait, and whether that was told."""

    async def work() -> tuple[list[bool], bool, Gathered]:
        told: list[bool] = []
        async with cells.cell() as cell:
            process = await cell.start(
                python(source, interactive="pipe", limits=LIMITS, tell_waiting=told.append)
            )
            reading = asyncio.create_task(gather(process))
            async with asyncio.timeout(PATIENCE_S):
                while not told or not told[-1]:
                    await asyncio.sleep(STILL_S / 10)
            await process.write_stdin(given)
            await asyncio.sleep(STILL_S / 10)
            went_on = told[-1] is False
            await process.end_stdin()
            return told, went_on, await reading

    return cells.do(work())


def test_who_waits_for_input_is_seen_to_and_goes_on_with_it(cells: Cells) -> None:
    told, went_on, seen = told_while(cells, "print(input())", b"on\n")
    assert told[0] is True and went_on and told[-1] is False
    assert seen.stdout == b"on\n"


def test_who_computes_is_not_seen_to_wait(prepared: object) -> None:
    source = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass"

    async def work() -> list[bool]:
        told: list[bool] = []
        async with cells.cell() as cell:
            spec = python(source, interactive="pipe", limits=LIMITS, tell_waiting=told.append)
            await gather(await cell.start(spec))
        return told

    with Cells("bubblewrap-shared", ("python-light",), bounds=(1, 1)) as cells:
        assert True not in cells.do(work())
