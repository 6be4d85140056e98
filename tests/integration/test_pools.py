"""Pools of real cells: they follow demand and memory, and everybody is served."""

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from conformance.cells import Cells, cell_cgroups, empty_cgroups, gather, python
from vibecell.sandbox.mechanisms.pressure import Memory
from vibecell.sandbox.places import Places

PROFILE = "python-light"
LEAST, MOST, BURST = 2, 12, 40
SETTLE_S = 20.0


class Pools(Cells):
    """A backend whose pool may grow."""

    def __init__(self) -> None:
        super().__init__("bubblewrap", (PROFILE,), (LEAST, MOST))
        assert isinstance(self.backend, Places)
        self.host = self.backend._host

    def count(self, name: str) -> int:
        return self.backend.counts()[f"pool.{PROFILE}.{name}"]

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(SETTLE_S):
                while not condition():
                    await asyncio.sleep(0.02)

        try:
            self.do(wait())
        except TimeoutError:
            raise AssertionError(self.backend.counts()) from None

    def burst(self, count: int) -> list[bytes]:
        """That many programs at once, none of which gives its cell back before all have one."""

        async def one(number: int, all_here: asyncio.Barrier) -> bytes:
            async with self.cell(PROFILE) as cell:
                await all_here.wait()
                seen = await gather(await cell.start(python(f"print({number})")))
                return bytes(seen.stdout)

        async def everybody() -> list[bytes]:
            all_here = asyncio.Barrier(count)
            return await asyncio.gather(*(one(number, all_here) for number in range(count)))

        return self.do(everybody())

    def an_hour_passes(self) -> None:
        self.host.refill._clock = lambda: time.monotonic() + 3600.0

    def memory_is(self, state: Memory) -> None:
        self.host.refill._look = lambda: state


@pytest.fixture
def pools(prepared: object) -> Iterator[Pools]:
    before = cell_cgroups()
    with Pools() as pools:
        yield pools
    assert cell_cgroups() <= before and not empty_cgroups() - before


def test_a_burst_after_silence_is_served_whole(pools: Pools) -> None:
    pools.until(lambda: pools.count("ready") == LEAST)
    assert pools.burst(MOST) == [b"%d\n" % number for number in range(MOST)]
    pools.until(lambda: pools.count("ready") >= MOST - 1)

    pools.an_hour_passes()
    pools.until(lambda: pools.count("ready") == LEAST and pools.count("in_use") == 0)
    assert pools.count("target") == LEAST

    assert pools.burst(BURST) == [b"%d\n" % number for number in range(BURST)]
    pools.until(lambda: pools.count("ready") >= MOST - 1 and pools.count("in_use") == 0)
    assert pools.count("ready") <= MOST
    assert pools.count("waiting") == 0


def test_the_first_after_silence_wait_for_no_making(pools: Pools) -> None:
    pools.until(lambda: pools.count("ready") == LEAST)

    async def take() -> list[int]:
        making = []
        for _ in range(LEAST):
            cell = await pools.backend.acquire(pools.profile(PROFILE))
            making.append(pools.count("making"))
            await cell.destroy()
        return making

    assert pools.do(take())[0] == 0


def test_scarce_memory_empties_the_pool_and_refuses_nobody(pools: Pools) -> None:
    pools.burst(MOST)
    pools.until(lambda: pools.count("ready") >= MOST - 1)

    pools.memory_is(Memory.TIGHT)
    pools.until(lambda: pools.count("ready") == LEAST and pools.count("in_use") == 0)
    pools.memory_is(Memory.SHORT)
    pools.until(lambda: pools.count("ready") == 0 and pools.count("in_use") == 0)
    assert pools.burst(6) == [b"%d\n" % number for number in range(6)]
    pools.until(lambda: pools.count("ready") == 0 and pools.count("in_use") == 0)

    pools.memory_is(Memory.PLENTY)
    pools.until(lambda: pools.count("ready") >= LEAST)
