"""Cells with a wall each, over walls that only count."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.demand import IdleBounds
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.warming.fresh_cells import MAX_ENDING, FreshCells
from vibecell.sandbox.warming.profile_cells import Zygote

PATIENCE = 2


class Cell:
    def __init__(self, link: "Link") -> None:
        self.link = link

    @property
    def is_alive(self) -> bool:
        return self.link.is_alive

    async def destroy(self) -> None:
        self.link.on_cell_destroyed()


class Link:
    def __init__(self, number: int, walls: "Walls") -> None:
        self.number = number
        self.walls = walls
        self.forks = 0
        self.is_alive = True
        self.on_cell_destroyed: Callable[[], None] = lambda: None

    async def fork(self, _identity: object) -> Cell:
        self.forks += 1
        await self.walls.may_fork.wait()
        if self.walls.failure is not None:
            raise self.walls.failure
        return Cell(self)


class Walls:
    """Makes walls when it may, takes them down when it may; remembers every one."""

    def __init__(self, idle: int) -> None:
        self.links: list[Link] = []
        self.closed: list[int] = []
        self.closing = self.most_closing = 0
        self.may_make, self.may_fork, self.may_close = (asyncio.Event() for _ in range(3))
        for event in (self.may_make, self.may_fork, self.may_close):
            event.set()
        self.failure: Exception | None = None
        self.freed: list[str] = []
        self.on_end: Callable[[ZygoteLink], None] = lambda _: None
        bounds = IdleBounds(idle, idle)
        self.cells = FreshCells(self.make, Refill(bounds, parallel=4, cores=64), PATIENCE)

    async def make(self, on_end: Callable[[ZygoteLink], None]) -> Zygote:
        await self.may_make.wait()
        link = Link(len(self.links), self)
        self.links.append(link)
        self.on_end = on_end

        async def close() -> None:
            self.closing += 1
            self.most_closing = max(self.most_closing, self.closing)
            await self.may_close.wait()
            self.closing -= 1
            self.closed.append(link.number)

        return Zygote(cast(ZygoteLink, link), self.new_identity, close)

    def new_identity(self) -> CellIdentity:
        class Empty:
            def processes(self) -> int:
                return 0

        return CellIdentity(
            1,
            cast(Any, Empty()),
            None,
            lambda: self.freed.append("uid"),
            lambda _: self.freed.append("cgroup to the stock"),
            lambda _: self.freed.append("cgroup removed"),
        )

    async def take(self) -> Cell:
        return cast(Cell, cast(Any, await self.cells.acquire()))

    def end(self, number: int) -> None:
        """A zygote ends by itself."""
        self.links[number].is_alive = False
        self.on_end(cast(ZygoteLink, self.links[number]))


async def settled() -> None:
    """Everything that follows now has followed; also what waits for a taker to go on."""
    for _ in range(2):
        for _ in range(40):
            await asyncio.sleep(0)
        await asyncio.sleep(0.005)


def run(test: Callable[[Walls], Awaitable[None]], idle: int = 0) -> None:
    async def within_bounds() -> None:
        async with asyncio.timeout(5.0):
            walls = Walls(idle)
            try:
                await test(walls)
            finally:
                await walls.cells.close()
        assert sorted(walls.closed) == [link.number for link in walls.links], "each once"

    asyncio.run(within_bounds())


def test_a_cell_and_its_wall_end_together() -> None:
    async def test(walls: Walls) -> None:
        first, second = await walls.take(), await walls.take()
        assert (first.link.number, second.link.number) == (0, 1)
        await second.destroy()
        await settled()
        assert walls.closed == [1]
        await first.destroy()
        await settled()
        assert walls.closed == [1, 0]
        assert walls.cells.counts()["in_use"] == 0

    run(test)


@pytest.mark.parametrize("idle", [0, 3])
def test_no_wall_serves_twice(idle: int) -> None:
    async def test(walls: Walls) -> None:
        async def use() -> int:
            cell = await walls.take()
            await asyncio.sleep(0)
            await cell.destroy()
            return cell.link.number

        used = await asyncio.gather(*(use() for _ in range(50)))
        assert len(set(used)) == 50
        assert all(link.forks == 1 for link in walls.links)

    run(test, idle)


def test_walls_are_made_ahead_with_their_cells() -> None:
    async def test(walls: Walls) -> None:
        await walls.cells.open()
        await settled()
        assert [link.forks for link in walls.links] == [1, 1]
        walls.may_make.clear()
        assert {(await walls.take()).link.number for _ in range(2)} == {0, 1}
        assert walls.cells.counts()["in_use"] == 2

    run(test, idle=2)


def test_a_failed_fork_leaves_neither_wall_nor_identity() -> None:
    async def test(walls: Walls) -> None:
        walls.failure = SandboxFailure("make a cell", "it does not answer")
        with pytest.raises(SandboxFailure, match="does not answer"):
            await walls.take()
        await settled()
        assert sorted(walls.closed) == [0, 1], "so often it was tried"
        assert walls.freed == ["cgroup removed", "uid"] * 2
        walls.failure = None
        assert (await walls.take()).link.number == 2

    run(test)


def test_a_wall_without_an_identity_to_give_is_taken_down() -> None:
    async def test(walls: Walls) -> None:
        def none_left() -> CellIdentity:
            raise OSError("no uid is free in this block")

        walls.new_identity = none_left  # type: ignore[method-assign]
        with pytest.raises(SandboxFailure, match="no uid is free"):
            await walls.take()
        await settled()
        assert walls.closed == [0, 1]

    run(test)


def test_a_wall_that_ends_by_itself_is_not_handed_out() -> None:
    async def test(walls: Walls) -> None:
        await walls.cells.open()
        await settled()
        walls.end(0)
        await settled()
        assert walls.closed == [0]
        assert walls.cells.counts()["ready"] == 2, "another stands in its place"
        assert {(await walls.take()).link.number for _ in range(2)} == {1, 2}

    run(test, idle=2)


def test_a_wall_that_ends_under_a_program_is_its_takers_until_it_gives_up() -> None:
    async def test(walls: Walls) -> None:
        cell = await walls.take()
        walls.end(0)
        await settled()
        assert (walls.closed, walls.cells.counts()["in_use"]) == ([], 1)
        await cell.destroy()
        await settled()
        assert (walls.closed, walls.cells.counts()["in_use"]) == ([0], 0)

    run(test)


def test_only_so_many_walls_are_being_taken_down_and_none_is_made_meanwhile() -> None:
    async def test(walls: Walls) -> None:
        cells = [await walls.take() for _ in range(MAX_ENDING + 8)]
        walls.may_close.clear()
        for cell in cells:
            await cell.destroy()
        await settled()
        assert walls.closing == MAX_ENDING
        assert walls.cells.counts()["ending"] == MAX_ENDING + 8
        waiting = asyncio.create_task(walls.take())
        await settled()
        assert not waiting.done()
        assert len(walls.links) == MAX_ENDING + 8
        walls.may_close.set()
        assert (await waiting).link.number == MAX_ENDING + 8
        assert walls.most_closing == MAX_ENDING
        await settled()
        assert walls.cells.counts()["ending"] == 0

    run(test)


def test_close_takes_down_every_wall_and_waits_for_it() -> None:
    async def test(walls: Walls) -> None:
        await walls.cells.open()
        await settled()
        await walls.take()
        await settled()
        walls.may_close.clear()
        closing = asyncio.create_task(walls.cells.close())
        await settled()
        assert (walls.closing, closing.done()) == (3, False)
        walls.may_close.set()
        await closing
        assert sorted(walls.closed) == [0, 1, 2]
        with pytest.raises(SandboxFailure, match="closed"):
            await walls.take()

    run(test, idle=2)


def test_a_cell_destroyed_after_close_takes_its_wall_down_no_second_time() -> None:
    async def test(walls: Walls) -> None:
        cell = await walls.take()
        await walls.cells.close()
        await cell.destroy()
        await settled()
        assert walls.closed == [0]

    run(test)


@pytest.mark.parametrize("step", ["may_make", "may_fork"])
def test_close_leaves_no_wall_half_made(step: str) -> None:
    async def test(walls: Walls) -> None:
        held: asyncio.Event = getattr(walls, step)
        held.clear()
        waiting = asyncio.create_task(walls.take())
        await settled()
        await walls.cells.close()
        with pytest.raises(SandboxFailure, match="closed"):
            await waiting
        held.set()
        await settled()
        made = step == "may_fork"
        assert (len(walls.links), len(walls.closed)) == (made, made)
        assert walls.freed == ["cgroup removed", "uid"] * made

    run(test)
