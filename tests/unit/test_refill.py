"""Which cell is made next and how many wait, over pools that only count."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host import refill as refill_module
from vibecell.sandbox.host.demand import IdleBounds
from vibecell.sandbox.host.refill import QUIET_S, Refill
from vibecell.sandbox.mechanisms.pressure import Memory
from vibecell.sandbox.warming import pool as pool_module
from vibecell.sandbox.warming.pool import WarmPool

BOUNDS = IdleBounds(min_idle=2, max_idle=16)


@pytest.fixture(autouse=True)
def takers_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the clock of the test is waited for."""
    monkeypatch.setattr(refill_module, "TAKER_FIRST_S", 0.0)


class CountedCell:
    def __init__(self, profile: "Profile") -> None:
        self.is_alive = True
        self.profile = profile

    async def destroy(self) -> None:
        self.profile.destroyed += 1


class Profile:
    """A pool whose cells are made when the test says so."""

    def __init__(self, refill: Refill) -> None:
        self.begun: list[asyncio.Future[None]] = []
        self.asked: list[asyncio.Task[FramedCell]] = []
        self.made = self.destroyed = 0
        self.pool = WarmPool(self._make, refill, patience=3, in_use=self._in_use)

    def _in_use(self) -> int:
        return self.made - self.pool.ready - self.destroyed

    async def _make(self) -> FramedCell:
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun.append(permit)
        try:
            await permit
        finally:
            self.begun.remove(permit)
        self.made += 1
        return cast(FramedCell, CountedCell(self))

    def allow(self, count: int = 1000) -> None:
        for permit in self.begun[:count]:
            if not permit.done():
                permit.set_result(None)

    def ask(self) -> "asyncio.Task[FramedCell]":
        self.asked.append(asyncio.create_task(self.pool.acquire(3600.0)))
        return self.asked[-1]


class House:
    """Some profiles under one refill, on one loop, with a clock of the test's."""

    def __init__(
        self,
        runner: asyncio.Runner,
        profiles: int = 2,
        bounds: IdleBounds = BOUNDS,
        parallel: int = 2,
        cores: int = 2,
    ) -> None:
        self.runner = runner
        self.now_s = 1000.0
        self.memory = Memory.PLENTY
        self.bounds = bounds
        self.refill = Refill(bounds, parallel, cores, lambda: self.now_s, lambda: self.memory)
        self.profiles = self.do(self._build(profiles))

    async def _build(self, count: int) -> list[Profile]:
        return [Profile(self.refill) for _ in range(count)]

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(12):
                await asyncio.sleep(0)

        self.do(turns())

    def call(self, function: Any, *arguments: Any) -> Any:
        async def within() -> Any:
            return function(*arguments)

        result = self.do(within())
        self.settle()
        return result

    def open(self) -> None:
        for profile in self.profiles:
            self.call(profile.pool.fill)

    def fill(self) -> None:
        """Make whatever is begun until nothing more is."""
        while any(profile.begun for profile in self.profiles):
            for profile in self.profiles:
                self.call(profile.allow)

    def tick(self, later_s: float = 0.0) -> None:
        self.now_s += later_s
        self.call(self.refill.tick)

    @property
    def ready(self) -> list[int]:
        return [profile.pool.ready for profile in self.profiles]

    @property
    def making(self) -> list[int]:
        return [profile.pool.making for profile in self.profiles]

    def close(self) -> None:
        async def all_of_them() -> None:
            for profile in self.profiles:
                for task in profile.asked:
                    task.cancel()
                await profile.pool.close()
                await asyncio.gather(*profile.asked, return_exceptions=True)

        self.do(all_of_them())


@contextmanager
def house(**settings: Any) -> Iterator[House]:
    with asyncio.Runner() as runner:
        made = House(runner, **settings)
        try:
            yield made
        finally:
            made.close()


def burst(at: House, which: int, count: int) -> list[FramedCell]:
    """``count`` ask in one moment, and are served; their cells stay in use."""
    profile = at.profiles[which]
    tasks = at.call(lambda: [profile.ask() for _ in range(count)])
    while profile.pool.waiting:
        at.call(profile.allow)
    return [at.do(_result(task)) for task in tasks]


async def _result(task: "asyncio.Task[FramedCell]") -> FramedCell:
    return await asyncio.wait_for(task, 5.0)


def end(at: House, cells: list[FramedCell]) -> None:
    for cell in cells:
        at.do(cell.destroy())
    at.call(at.refill.soon)


def test_without_demand_each_keeps_its_minimum() -> None:
    with house(profiles=3) as at:
        at.open()
        assert sum(at.making) == 2, "no more at once than told, in all profiles together"
        at.fill()
        assert at.ready == [2, 2, 2]
        at.tick(1000.0)
        assert at.ready == [2, 2, 2]


def test_nothing_is_made_before_a_pool_is_opened_or_asked() -> None:
    with house() as at:
        at.call(at.profiles[1].pool.fill)
        at.tick()
        assert at.making == [0, 2]


def test_demand_raises_the_stock_at_once_and_silence_lowers_it() -> None:
    with house() as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 10))
        at.fill()
        assert at.ready == [10, 2], "profiles that nobody asked for keep theirs"
        told = []
        for _ in range(60):
            at.tick(1.0)
            at.fill()
            told.append(at.ready[0])
        assert told == sorted(told, reverse=True)
        assert told[0] >= 9 and told[14] == 5 and told[-1] == 2
        assert at.profiles[0].destroyed == 10 + 8


def test_the_oldest_cells_go_first() -> None:
    with house(profiles=1) as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 6))
        at.fill()
        kept = list(at.profiles[0].pool._ready)[-2:]
        at.tick(600.0)
        assert list(at.profiles[0].pool._ready) == kept


def test_what_waits_is_bounded_over_all_profiles() -> None:
    with house(profiles=3, bounds=IdleBounds(1, 10)) as at:
        at.open()
        at.fill()
        taken = burst(at, 0, 30) + burst(at, 1, 30)
        end(at, taken)
        at.fill()
        assert sum(at.ready) <= 10
        assert at.ready[2] == 1
        assert min(at.ready[:2]) >= 4


def test_after_silence_the_first_are_served_at_once() -> None:
    with house() as at:
        at.open()
        at.fill()
        at.tick(3600.0)
        for _ in range(2):
            task = at.call(at.profiles[0].ask)
            assert task.done()


def test_taking_a_ready_cell_begins_no_work_of_its_own() -> None:
    with house() as at:
        at.open()
        at.fill()

        async def take() -> tuple[int, int]:
            before = len(asyncio.all_tasks())
            await at.profiles[0].pool.acquire(1.0)
            assert at.making == [0, 0]
            return before, len(asyncio.all_tasks())

        before, after = at.do(take())
        assert before == after
        at.settle()
        assert at.making == [1, 0], "its successor is begun afterwards"


def test_while_programs_run_everywhere_stock_waits() -> None:
    with house(profiles=1) as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 10))
        at.fill()
        assert at.ready == [10]
        taken = burst(at, 0, 2)
        assert (at.ready, at.making) == ([8], [0]), "both processors have a program"
        end(at, taken[:1])
        assert at.making == [1], "one of them is free again"
        end(at, taken[1:])
        assert at.making == [2]


def test_below_the_minimum_one_is_made_even_then() -> None:
    with house(profiles=1) as at:
        at.open()
        at.fill()
        burst(at, 0, 2)
        assert (at.ready, at.making) == ([0], [1])


def test_beside_long_programs_stock_is_made_one_at_a_time() -> None:
    with house(profiles=1) as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 10))
        at.fill()
        at.now_s += 5.0
        burst(at, 0, 6)
        assert (at.ready, at.making) == ([4], [0])
        at.tick(QUIET_S)
        assert at.making == [1]
        at.fill()
        assert at.ready == [8]


def test_who_waits_comes_before_stock() -> None:
    with house(profiles=2, bounds=IdleBounds(4, 16), parallel=1) as at:
        at.open()
        assert at.making == [1, 0]
        task = at.call(at.profiles[1].ask)
        assert at.making == [1, 1], "a profile that makes none may always make one for who waits"
        at.call(at.profiles[1].ask)
        at.call(at.profiles[0].allow)
        assert at.making == [0, 1]
        at.call(at.profiles[1].allow)
        assert task.done()
        assert at.making == [0, 1], "the next who waits, and not the stock"


def test_profiles_take_turns() -> None:
    with house(profiles=3, bounds=IdleBounds(0, 0), parallel=1, cores=1) as at:
        many = [at.call(at.profiles[0].ask) for _ in range(20)]
        few = [at.call(at.profiles[which].ask) for which in (1, 2, 1, 2)]
        for _ in range(2):
            for profile in at.profiles:
                at.call(profile.allow)
        assert all(task.done() for task in few)
        assert sum(task.done() for task in many) == 2


def test_a_profile_that_fails_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "RETRY_DELAY_S", 1000.0)
    with house(parallel=1, cores=1) as at:
        at.open()
        failing, other = at.profiles
        at.call(failing.begun[0].set_exception, SandboxFailure("fork a cell", "no"))
        assert failing.pool.paused
        at.fill()
        assert at.ready == [0, 2]
        at.tick()
        assert not failing.begun, "not before its time"
        assert at.call(other.ask).done()


@pytest.mark.parametrize(("memory", "left"), [(Memory.TIGHT, [2, 2]), (Memory.SHORT, [0, 0])])
def test_scarce_memory_shrinks_the_stock_but_serves(memory: Memory, left: list[int]) -> None:
    with house() as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 10))
        at.fill()
        at.memory = memory
        at.tick()
        assert at.ready == left
        at.tick(10.0)
        end(at, burst(at, 0, 12))
        at.fill()
        at.tick()
        at.fill()
        assert at.ready == left, "nothing is made beyond that, whatever the demand"
        at.memory = Memory.PLENTY
        at.tick()
        at.fill()
        assert at.ready == [12, 2]


def test_targets_can_be_asked_for() -> None:
    with house() as at:
        at.open()
        burst(at, 1, 5)
        assert [at.refill.target(profile.pool) for profile in at.profiles] == [2, 5]
        at.do(at.profiles[0].pool.close())
        assert at.refill.target(at.profiles[0].pool) == 0


def test_with_the_last_pool_the_clock_stops() -> None:
    with house() as at:
        at.open()
        assert at.refill._ticking is not None
        at.close()
        assert at.refill._ticking is None
        at.call(at.refill.soon)
        at.call(at.refill.later)
        assert at.refill._soon is at.refill._later is at.refill._ticking is None


def test_it_ticks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill_module, "TICK_S", 0.01)
    with house(profiles=1) as at:
        at.open()
        at.fill()
        end(at, burst(at, 0, 8))
        at.fill()
        assert at.ready == [8]
        at.now_s += 1000.0

        async def until_small() -> None:
            async with asyncio.timeout(5.0):
                while at.ready != [2]:
                    await asyncio.sleep(0.005)

        at.do(until_small())


class Pools(RuleBasedStateMachine):
    """Anything that can happen to pools, in any order."""

    @initialize(
        least=st.integers(0, 3),
        room=st.integers(0, 12),
        parallel=st.integers(1, 4),
        cores=st.integers(1, 4),
        count=st.integers(1, 3),
    )
    def build(self, least: int, room: int, parallel: int, cores: int, count: int) -> None:
        self.runner = asyncio.Runner()
        self.parallel = parallel
        bounds = IdleBounds(least, least + room)
        self.at = House(self.runner, count, bounds, parallel, cores)
        self.at.open()
        self.asking: list[asyncio.Task[FramedCell]] = []
        self.served: list[FramedCell] = []
        self.handed_out = 0

    def _pick(self, which: int) -> Profile:
        return self.at.profiles[which % len(self.at.profiles)]

    @rule(which=st.integers(0, 2), count=st.integers(1, 8))
    def ask(self, which: int, count: int) -> None:
        for _ in range(count):
            self.asking.append(self.at.call(self._pick(which).ask))

    @precondition(lambda self: self.asking)
    @rule(which=st.integers(0, 100))
    def go_away(self, which: int) -> None:
        self.at.call(self.asking[which % len(self.asking)].cancel)

    @rule(which=st.integers(0, 2), count=st.integers(1, 3))
    def finish(self, which: int, count: int) -> None:
        self.at.call(self._pick(which).allow, count)

    @rule(which=st.integers(0, 2))
    def fail(self, which: int) -> None:
        for permit in self._pick(which).begun[:1]:
            self.at.call(permit.set_exception, SandboxFailure("fork a cell", "no"))

    @rule(which=st.integers(0, 2))
    def retry(self, which: int) -> None:
        pool = self._pick(which).pool
        if pool._pause is not None:
            pool._pause.cancel()
            self.at.call(pool._resume)

    @precondition(lambda self: self.served)
    @rule(count=st.integers(1, 8))
    def destroy(self, count: int) -> None:
        gone, self.served = self.served[:count], self.served[count:]
        end(self.at, gone)

    @rule(later_s=st.sampled_from([0.0, 0.1, 1.0, 10.0, 60.0]))
    def time_passes(self, later_s: float) -> None:
        self.at.tick(later_s)

    @rule(memory=st.sampled_from(Memory))
    def memory_changes(self, memory: Memory) -> None:
        self.at.memory = memory

    @rule(which=st.integers(0, 2))
    def zygote_dies(self, which: int) -> None:
        pool = self._pick(which).pool
        for cell in pool._ready:
            cast(CountedCell, cell).is_alive = False
        self.at.call(pool.discard_dead)

    @invariant()
    def bounds_hold(self) -> None:
        if not hasattr(self, "at"):
            return
        self._collect()
        assert 0 <= sum(self.at.ready) <= self.at.bounds.most(len(self.at.profiles))
        assert sum(self.at.making) <= self.parallel + len(self.at.profiles) - 1
        for profile in self.at.profiles:
            pool = profile.pool
            assert not (pool.ready and pool.waiting), "nobody waits beside a ready cell"
            assert profile._in_use() >= 0
            if pool.waiting and not pool.paused:
                assert pool.making, "who waits is being served"

    def _collect(self) -> None:
        for task in self.asking:
            if task.done() and not task.cancelled() and task.exception() is None:
                assert all(task.result() is not cell for cell in self.served)
                self.served.append(task.result())
        self.asking = [task for task in self.asking if not task.done()]

    def teardown(self) -> None:
        if not hasattr(self, "at"):
            return
        try:
            self._everybody_is_served()
            self._all_decays_to_the_minimum()
        finally:
            self.at.close()
            assert all(profile._in_use() == 0 for profile in self.at.profiles)
            self.runner.close()

    def _everybody_is_served(self) -> None:
        for _ in range(10 * (1 + len(self.asking))):
            for which, profile in enumerate(self.at.profiles):
                self.retry(which)
                self.at.call(profile.allow)
        self._collect()
        assert not self.asking

    def _all_decays_to_the_minimum(self) -> None:
        self.destroy(len(self.served))
        self.at.memory = Memory.PLENTY
        self.at.tick(600.0)
        self.at.fill()
        self.at.tick()
        least = self.at.bounds.min_idle
        assert self.at.ready == [least] * len(self.at.profiles)


Pools.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_whatever_happens_to_pools = Pools.TestCase
