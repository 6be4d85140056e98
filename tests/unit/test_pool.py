"""The warm pool, over cells that are only counted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.demand import IdleBounds
from vibecell.sandbox.host.refill import TAKER_FIRST_S, Refill
from vibecell.sandbox.warming import pool as pool_module
from vibecell.sandbox.warming.pool import TELL_EVERY_S, WarmPool

FOR_EVER_S = 5.0
PATIENCE = 3


class CountedCell:
    """All a pool asks of a cell."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_alive = True
        self.destroyed = 0

    async def destroy(self) -> None:
        await asyncio.sleep(0)
        self.destroyed += 1


class Factory:
    """Makes cells when it is allowed to; remembers every one."""

    def __init__(self) -> None:
        self.cells: list[CountedCell] = []
        self.allowed = asyncio.Semaphore(0)
        self.failures: list[Exception] = []
        self.calls = 0
        self.cancelled = 0

    async def make(self) -> FramedCell:
        self.calls += 1
        try:
            await self.allowed.acquire()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failures:
            raise self.failures.pop(0)
        cell = CountedCell(len(self.cells))
        self.cells.append(cell)
        return cast(FramedCell, cell)

    def allow(self, count: int) -> None:
        for _ in range(count):
            self.allowed.release()


class Clock:
    """The time of the running loop, which jumps when it is told to."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead_s = 0.0
        loop.time = lambda: self._real() + self._ahead_s  # type: ignore[method-assign]

    def jump(self, seconds: float) -> None:
        self._ahead_s += seconds

    async def pass_by(self, seconds: float) -> None:
        self.jump(seconds)
        await settled()


def run(test: Callable[[Factory], Awaitable[None]]) -> None:
    async def within_bounds() -> None:
        async with asyncio.timeout(FOR_EVER_S):
            await test(Factory())

    asyncio.run(within_bounds())


def fixed(factory: Factory, size: int, parallel: int, most: int | None = None) -> WarmPool:
    """A pool that keeps ``size`` cells, whatever the demand; ``most`` lets it keep more."""
    bounds = IdleBounds(size, size if most is None else most)
    return WarmPool(factory.make, Refill(bounds, parallel, cores=64), PATIENCE)


async def settled() -> None:
    """Everything that follows now has followed; also what waits for a taker to go on."""
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.sleep(2 * TAKER_FIRST_S)
    for _ in range(20):
        await asyncio.sleep(0)


def number(cell: Any) -> int:
    return cast(CountedCell, cell).number


def test_it_keeps_its_size_and_makes_no_more_at_once_than_told() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=3, parallel=2)
        pool.fill()
        await settled()
        assert factory.calls == 2
        factory.allow(10)
        await settled()
        assert (pool.ready, factory.calls) == (3, 3)
        await pool.acquire(1)
        await settled()
        assert (pool.ready, factory.calls) == (3, 4)
        await pool.close()

    run(test)


def test_first_come_first_served() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=0, parallel=1)
        order: list[int] = []

        async def take(who: int) -> None:
            await pool.acquire(FOR_EVER_S)
            order.append(who)

        async with asyncio.TaskGroup() as group:
            for who in range(10):
                group.create_task(take(who))
            await settled()
            for _ in range(10):
                factory.allow(1)
                await settled()
        assert order == list(range(10))
        assert pool.ready == 0
        await pool.close()

    run(test)


def test_every_cell_is_handed_out_once() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=4, parallel=3)
        factory.allow(10_000)
        taken = await asyncio.gather(*(pool.acquire(FOR_EVER_S) for _ in range(200)))
        assert len({number(cell) for cell in taken}) == 200
        await pool.close()

    run(test)


@pytest.mark.parametrize("turns", range(6))
def test_a_cancel_in_the_moment_of_being_served_loses_no_cell(turns: int) -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=0, parallel=1)
        going = asyncio.create_task(pool.acquire(FOR_EVER_S))
        staying = asyncio.create_task(pool.acquire(FOR_EVER_S))
        await settled()
        factory.allow(1)
        for _ in range(turns):
            await asyncio.sleep(0)
        going.cancel()
        await settled()
        if going.cancelled():
            assert number(await staying) == 0
        else:
            factory.allow(1)
            assert {number(await going), number(await staying)} == {0, 1}
        await pool.close()
        assert all(c.destroyed == 0 for c in factory.cells)

    run(test)


@pytest.mark.parametrize("late_s", [-0.001, 0.001])
def test_a_deadline_in_the_moment_of_being_served_loses_no_cell(late_s: float) -> None:
    """The cell comes in the same turn of the loop in which the time is over."""

    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1, most=1)
        waiting = asyncio.create_task(pool.acquire(1.0))
        await asyncio.sleep(0)
        cell = cast(FramedCell, CountedCell(7))
        asyncio.get_running_loop().call_later(1.0 + late_s, pool._offer, cell)
        clock.jump(1.1)
        assert number(await waiting) == 7
        assert pool.ready == 0
        await pool.close()

    run(test)


def test_everybodys_turn_comes_as_long_as_cells_are_made() -> None:
    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1)
        waiting = [asyncio.create_task(pool.acquire(0.5)) for _ in range(3)]
        for _ in range(2):
            await settled()
            clock.jump(0.4)
            factory.allow(1)
        await settled()
        assert [task.done() for task in waiting] == [True, True, False]
        clock.jump(0.4)
        await settled()
        assert not waiting[2].done(), "the last cell was made a moment ago"
        clock.jump(0.1)
        with pytest.raises(SandboxFailure, match="in time"):
            await waiting[2]
        await pool.close()

    run(test)


def test_a_failure_gives_nobody_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRY_DELAY_S", 0.0)

    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1)
        factory.failures = [SandboxFailure("fork a cell", "no")]
        waiting = asyncio.create_task(pool.acquire(0.5))
        await settled()
        clock.jump(0.4)
        factory.allow(1)
        await settled()
        assert factory.failures == []
        clock.jump(0.1)
        with pytest.raises(SandboxFailure, match="in time"):
            await waiting
        await pool.close()

    run(test)


def test_who_waits_a_moment_only_is_told_nothing() -> None:
    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1)
        told: list[int] = []
        waiting = asyncio.create_task(pool.acquire(FOR_EVER_S, told.append))
        await settled()
        clock.jump(TELL_EVERY_S * 0.8)
        factory.allow(1)
        assert number(await waiting) == 0
        clock.jump(TELL_EVERY_S)
        await settled()
        assert told == []
        await pool.close()

    run(test)


def test_who_waits_is_told_its_place_whenever_that_has_changed() -> None:
    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1)
        told: list[list[int]] = [[], [], [], []]
        waiting = [asyncio.create_task(pool.acquire(FOR_EVER_S, each.append)) for each in told]
        await settled()
        await clock.pass_by(TELL_EVERY_S)
        assert told == [[0], [1], [2], [3]]
        await clock.pass_by(TELL_EVERY_S)
        assert told == [[0], [1], [2], [3]], "nothing has changed"
        factory.allow(1)
        await waiting[0]
        await clock.pass_by(TELL_EVERY_S)
        assert told == [[0], [1, 0], [2, 1], [3, 2]]
        waiting[1].cancel()
        await clock.pass_by(TELL_EVERY_S)
        assert told == [[0], [1, 0], [2, 1, 0], [3, 2, 1]]
        factory.allow(2)
        await asyncio.gather(*waiting[2:])
        await clock.pass_by(TELL_EVERY_S)
        assert told == [[0], [1, 0], [2, 1, 0], [3, 2, 1]]
        assert pool._telling is None, "where nobody waits there is nobody to tell"
        await pool.close()

    run(test)


def test_who_has_just_come_is_told_the_next_time() -> None:
    async def test(factory: Factory) -> None:
        clock = Clock()
        pool = fixed(factory, size=0, parallel=1)
        early: list[int] = []
        late: list[int] = []
        first = asyncio.create_task(pool.acquire(FOR_EVER_S, early.append))
        await settled()
        await clock.pass_by(TELL_EVERY_S * 0.8)
        second = asyncio.create_task(pool.acquire(FOR_EVER_S, late.append))
        await settled()
        await clock.pass_by(TELL_EVERY_S * 0.2)
        assert (early, late) == ([0], [])
        await clock.pass_by(TELL_EVERY_S)
        assert (early, late) == ([0], [1])
        factory.allow(2)
        await asyncio.gather(first, second)
        await pool.close()

    run(test)


def test_a_pool_with_more_patience_tells_of_failures_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "RETRY_DELAY_S", 0.0)

    async def test(factory: Factory) -> None:
        patience = 3 * PATIENCE
        pool = WarmPool(factory.make, Refill(IdleBounds(0, 0), 1, cores=64), patience)
        factory.failures = [SandboxFailure("fork a cell", "no")] * patience
        factory.allow(patience + 1)
        with pytest.raises(SandboxFailure, match="no"):
            await pool.acquire(FOR_EVER_S)
        assert factory.calls == patience
        assert number(await pool.acquire(FOR_EVER_S)) == 0
        await pool.close()

    run(test)


def test_a_task_once_cancelled_gets_its_cell_alone() -> None:
    """A task that survived a cancel still counts it; its cell is not another's too."""

    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=0, parallel=1)

        async def survivor() -> FramedCell:
            try:
                await asyncio.sleep(FOR_EVER_S)
            except asyncio.CancelledError:
                return await pool.acquire(FOR_EVER_S)
            raise AssertionError

        task = asyncio.create_task(survivor())
        await settled()
        task.cancel()
        await settled()
        factory.allow(1)
        assert number(await task) == 0
        assert pool.ready == 0
        await pool.close()

    run(test)


def test_no_cell_in_time_is_a_failure_that_says_so() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=1, parallel=1)
        with pytest.raises(SandboxFailure, match="none was made in time"):
            await pool.acquire(0.01)
        factory.allow(1)
        await settled()
        assert pool.ready == 1, "what was made too late waits for the next"
        await pool.close()

    run(test)


def test_dead_cells_are_passed_over_and_destroyed() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=3, parallel=3)
        factory.allow(100)
        pool.fill()
        await settled()
        factory.cells[0].is_alive = factory.cells[1].is_alive = False
        assert number(await pool.acquire(1)) == 2
        await settled()
        assert [c.destroyed for c in factory.cells[:3]] == [1, 1, 0]
        for cell in factory.cells[3:5]:
            cell.is_alive = False
        pool.discard_dead()
        await settled()
        assert [c.destroyed for c in factory.cells[3:5]] == [1, 1]
        assert pool.ready == 3
        await pool.close()

    run(test)


@pytest.mark.parametrize("failure", [SandboxFailure("fork a cell", "no"), OSError("no uid")])
def test_failures_pause_growingly_and_are_told_after_a_few(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "RETRY_DELAY_S", 0.01)

    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=1, parallel=1)
        factory.failures = [failure] * PATIENCE
        factory.allow(1000)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(SandboxFailure, match="no"):
            await pool.acquire(FOR_EVER_S)
        assert factory.calls == PATIENCE
        assert asyncio.get_running_loop().time() - began_s >= 0.01 + 0.02
        assert number(await pool.acquire(FOR_EVER_S)) == 0, "it goes on trying"
        await pool.close()

    run(test)


def test_a_single_failure_is_not_the_waiters_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRY_DELAY_S", 0.001)

    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=0, parallel=1)
        factory.failures = [SandboxFailure("fork a cell", "once")]
        factory.allow(2)
        assert number(await pool.acquire(FOR_EVER_S)) == 0
        await pool.close()

    run(test)


def test_close_leaves_nothing_and_nobody_waiting() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=2, parallel=2)
        factory.allow(2)
        pool.fill()
        await settled()
        taken = [await pool.acquire(1), await pool.acquire(1)]
        waiting = asyncio.create_task(pool.acquire(FOR_EVER_S))
        await settled()
        factory.allow(1)
        await settled()
        late = asyncio.create_task(pool.acquire(FOR_EVER_S))
        await settled()
        await pool.close()
        assert number(await waiting) == 2
        with pytest.raises(SandboxFailure, match="closed"):
            await late
        with pytest.raises(SandboxFailure, match="closed"):
            await pool.acquire(FOR_EVER_S)
        assert factory.cancelled == 2
        assert [c.destroyed for c in factory.cells] == [0, 0, 0], "those are their takers'"
        assert len(taken) == 2
        await pool.close()

    run(test)


def test_close_waits_for_cells_that_are_being_destroyed() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=2, parallel=2)
        factory.allow(2)
        pool.fill()
        await settled()
        factory.cells[0].is_alive = False
        pool.discard_dead()
        await pool.close()
        assert [c.destroyed for c in factory.cells] == [1, 1]

    run(test)


def test_what_is_given_back_after_close_is_destroyed() -> None:
    async def test(factory: Factory) -> None:
        pool = fixed(factory, size=0, parallel=1)
        waiting = asyncio.create_task(pool.acquire(FOR_EVER_S))
        await settled()
        factory.allow(1)
        while not factory.cells:
            await asyncio.sleep(0)
        waiting.cancel()
        await pool.close()
        await settled()
        if waiting.cancelled():
            assert factory.cells[0].destroyed == 1

    run(test)
