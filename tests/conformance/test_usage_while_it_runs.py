"""What a program uses, looked at while it runs: the kernel's figures, where it counts."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import QUICK_LIMITS, Cells, Gathered, gather, python, until
from vibecell.model.execution import Usage
from vibecell.model.limits import MIB
from vibecell.sandbox.backend import Exit

LIMITS = replace(QUICK_LIMITS, wall_time_ms=60_000)
HELD_MIB, WORKED_MS = 64, 300
SOURCE = f"""
import os, time
if os.fork() == 0:
    time.sleep(60)
held = bytearray(os.urandom(1)) * ({HELD_MIB} * 1024 * 1024)
while time.process_time() < {WORKED_MS / 1000}:
    pass
print("worked", flush=True)
input()
del held
print("let go", flush=True)
input()
"""


@pytest.fixture(scope="module", params=["counted in a cgroup", "sampled"])
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    sampled = request.param == "sampled"
    settings = {"require_cgroups": False} if sampled else {}
    with Cells("bubblewrap-shared", ("python-light",), bounds=(1, 1), **settings) as cells:
        cells.sampled = sampled  # type: ignore[attr-defined]
        yield cells


async def looked_at(cells: Cells) -> tuple[list[Usage], Exit]:
    """A look after its work, one after it has let memory go, one after its end; and its end."""
    spec = replace(python(SOURCE, limits=LIMITS), interactive="pipe")
    async with cells.cell("python-light") as cell:
        process = await cell.start(spec)
        seen, looks = Gathered(), []
        for text in (b"worked\n", b"let go\n"):
            await until(process, text, seen)
            looks.append(process.usage_now())
            await process.write_stdin(b"\n")
        ended = await gather(process, seen)
        looks.append(process.usage_now())
        return looks, ended.exits[0]


def test_a_look_tells_what_was_used_up_to_now(cells: Cells) -> None:
    (worked, let_go, after), end = cells.do(looked_at(cells))
    times_ms = [look.wall_time_ms for look in (worked, let_go, after)]
    assert times_ms == sorted(times_ms)
    # a program's own clock goes on from its fork, some milliseconds before it may begin
    assert times_ms[0] >= 0.9 * WORKED_MS
    assert worked.output_bytes == len("worked\n")
    assert let_go.output_bytes == end.output_bytes == len("worked\nlet go\n")
    if cells.sampled:  # type: ignore[attr-defined]
        # only the agent knows, and tells it at the end
        assert (worked.cpu_time_ms, worked.memory_bytes, worked.processes) == (None, None, None)
        return
    assert worked.cpu_time_ms is not None
    assert let_go.cpu_time_ms is not None
    assert end.cpu_time_ms is not None
    assert WORKED_MS <= worked.cpu_time_ms <= let_go.cpu_time_ms <= end.cpu_time_ms
    assert worked.processes is not None
    assert worked.processes >= 2  # the kernel counts one that has ended a little longer
    assert worked.memory_bytes is not None
    assert let_go.memory_bytes is not None
    assert worked.memory_bytes > HELD_MIB * MIB
    assert let_go.memory_bytes < worked.memory_bytes - HELD_MIB * MIB // 2  # of now, not the peak
    assert end.memory_bytes is not None
    assert end.memory_bytes >= worked.memory_bytes


def test_a_look_at_a_cell_that_is_gone_is_no_failure(cells: Cells) -> None:
    async def looked() -> Usage:
        async with cells.cell("python-light") as cell:
            process = await cell.start(python("import time; time.sleep(60)", limits=LIMITS))
            await asyncio.sleep(0.05)
        return process.usage_now()

    usage = cells.do(looked())
    assert usage.wall_time_ms >= 50
    assert usage.memory_bytes is None
