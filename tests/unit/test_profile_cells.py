"""The succession of zygotes, over zygotes that only count."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.demand import IdleBounds
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.warming import profile_cells
from vibecell.sandbox.warming.profile_cells import ProfileCells, Zygote

MAX_FORKS = 4


class Cell:
    def __init__(self, link: "Link") -> None:
        self.link = link

    @property
    def is_alive(self) -> bool:
        return self.link.is_alive

    async def destroy(self) -> None:
        self.link.live_cells -= 1
        self.link.on_cell_destroyed()


class Link:
    def __init__(self, number: int) -> None:
        self.number = number
        self.forks = self.live_cells = 0
        self.age_s = 0.0
        self.is_alive = True
        self.on_cell_destroyed: Callable[[], None] = lambda: None
        self.failures = 0

    @property
    def is_idle(self) -> bool:
        return not self.live_cells

    async def fork(self, _identity: object) -> Cell:
        if self.failures:
            self.failures -= 1
            raise SandboxFailure("make a cell", "it does not answer")
        self.forks += 1
        self.live_cells += 1
        return Cell(self)


class Zygotes:
    """Starts zygotes when it may; remembers every one."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.closed: list[int] = []
        self.may = asyncio.Event()
        self.may.set()
        self.failure: Exception | None = None
        self.attempts = 0
        self.new_identity: Callable[[], object] = lambda: None
        self.on_end: Callable[[ZygoteLink], None] | None = None
        self.cells = ProfileCells(
            self.make,
            Refill(IdleBounds(0, 0), parallel=1, cores=1),
            MAX_FORKS,
            max_age_s=100.0,
            patience=3,
        )

    async def make(self, on_end: Callable[[ZygoteLink], None]) -> Zygote:
        self.attempts += 1
        await self.may.wait()
        if self.failure is not None:
            raise self.failure
        link = Link(len(self.links))
        self.links.append(link)
        self.on_end = on_end

        async def close() -> None:
            self.closed.append(link.number)

        return Zygote(cast(ZygoteLink, link), cast(Any, lambda: self.new_identity()), close)

    async def take(self) -> Cell:
        cell = cast(Any, await self.cells.acquire())
        await settled()
        return cast(Cell, cell)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(test: Callable[[Zygotes], Awaitable[None]]) -> None:
    async def within_bounds() -> None:
        async with asyncio.timeout(5.0):
            zygotes = Zygotes()
            try:
                await test(zygotes)
            finally:
                await zygotes.cells.close()
        assert sorted(zygotes.closed) == [link.number for link in zygotes.links]

    asyncio.run(within_bounds())


def test_nobody_waits_for_a_successor() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        for _ in range(MAX_FORKS):
            await zygotes.take()
        zygotes.may.clear()
        assert [(await zygotes.take()).link.number for _ in range(3)] == [0, 0, 0]
        assert zygotes.attempts == 2, "one successor is being started"
        zygotes.may.set()
        await settled()
        assert (await zygotes.take()).link.number == 1

    run(test)


def test_age_calls_for_a_successor_too() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        zygotes.links[0].age_s = 101.0
        assert (await zygotes.take()).link.number == 0
        assert (await zygotes.take()).link.number == 1

    run(test)


@pytest.mark.parametrize("failure", [SandboxFailure("start", "no"), OSError("no")])
def test_without_a_successor_it_goes_on_for_a_while_only(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecell.sandbox.warming.pool.RETRY_DELAY_S", 0.001)

    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        zygotes.failure = failure
        for _ in range(2 * MAX_FORKS):
            assert (await zygotes.take()).link.number == 0
        assert zygotes.attempts == 2, "a failed start is not repeated with every cell"
        with pytest.raises(SandboxFailure, match="no"):
            await zygotes.take()
        zygotes.failure = None
        assert (await zygotes.take()).link.number == 1

    run(test)


def test_a_failed_start_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_cells, "SUCCESSION_RETRY_S", 0.0)

    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        zygotes.failure = SandboxFailure("start", "no")
        for _ in range(MAX_FORKS + 1):
            await zygotes.take()
        zygotes.failure = None
        await zygotes.take()
        assert (await zygotes.take()).link.number == 1

    run(test)


def test_a_dead_zygote_is_waited_for() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        zygotes.links[0].is_alive = False
        assert zygotes.on_end is not None
        zygotes.on_end(cast(ZygoteLink, zygotes.links[0]))
        assert (await zygotes.take()).link.number == 1

    run(test)


def test_a_zygote_that_fails_makes_no_more_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was taken over may take every request for a cell, and answer none."""
    monkeypatch.setattr("vibecell.sandbox.warming.pool.RETRY_DELAY_S", 0.001)

    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        cell = await zygotes.take()
        zygotes.links[0].failures = 1_000
        assert (await zygotes.take()).link.number == 1
        assert zygotes.closed == [], "a cell of it lives"
        await cell.destroy()
        assert (await zygotes.take()).link.number == 1
        assert zygotes.closed == [0]

    run(test)


def test_a_retired_zygote_ends_with_its_last_cell() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        cells = [await zygotes.take() for _ in range(MAX_FORKS + 2)]
        assert zygotes.closed == []
        for cell in cells:
            await cell.destroy()
        await zygotes.take()
        assert zygotes.closed == [0]

    run(test)


def test_close_leaves_no_successor_half_made() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        zygotes.may.clear()
        for _ in range(MAX_FORKS + 1):
            await zygotes.take()
        assert zygotes.attempts == 2
        await zygotes.cells.close()
        zygotes.may.set()
        await settled()
        assert len(zygotes.links) == 1

    run(test)


def test_counts_say_what_there_is() -> None:
    async def test(zygotes: Zygotes) -> None:
        await zygotes.cells.open()
        cell = await zygotes.take()
        zygotes.may.clear()
        zygotes.links[0].is_alive = False
        waiting = asyncio.create_task(zygotes.cells.acquire())
        await settled()
        assert zygotes.cells.counts() == {
            "ready": 0,
            "making": 1,
            "target": 0,
            "waiting": 1,
            "in_use": 1,
        }
        waiting.cancel()
        await cell.destroy()
        assert zygotes.cells.counts()["in_use"] == 0

    run(test)


def test_the_cgroup_of_a_cell_that_was_not_born_serves_no_other() -> None:
    freed: list[str] = []

    class Empty:
        def processes(self) -> int:
            return 0

    def identity() -> CellIdentity:
        return CellIdentity(
            1,
            cast(Any, Empty()),
            None,
            lambda: freed.append("uid"),
            lambda _: freed.append("cgroup to the stock"),
            lambda _: freed.append("cgroup removed"),
        )

    async def test(zygotes: Zygotes) -> None:
        zygotes.new_identity = identity
        await zygotes.cells.open()
        zygotes.links[0].failures = 1
        await zygotes.take()
        assert freed == ["cgroup removed", "uid"]

    run(test)
