"""Which warm cell is made next, and how many wait.

Owns the order between the pools of all profiles and what they may cost together;
refuses to know how a cell is made or who waits for one. The laws:

1. Cells that somebody waits for come first. They take turns by profile, so that
   a hundred who wait for one profile do not keep out the one who waits for
   another; a profile that makes none yet may always make one.
2. Cells for stock are made where processors are left: as many at once as there
   are processors without a cell in use. Where there are none, one at a time,
   and only for a profile below its minimum, or once nobody has taken a cell for
   ``QUIET_S``: what runs then is long, and waiting for its end would be, too.
3. The stock of a profile follows its demand (``demand.py``), within bounds over
   all profiles. What is too much is destroyed, the oldest first, once a second.
4. Where memory is tight, no profile keeps more than its minimum; where it is
   short, none keeps any, and cells are made for those who wait only.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from vibecell.sandbox.host.demand import Demand, IdleBounds
from vibecell.sandbox.mechanisms.pressure import Memory

TICK_S = 1.0
QUIET_S = 0.25
# Long enough for the taker to start its program, before making another cell
# competes with it; short against the making.
TAKER_FIRST_S = 0.002


class Stock(Protocol):
    """What is asked of a pool.

    Attributes:
        turn: when a cell of it was last begun, as a number that grows.
        demand: how many cells are wanted of it.
        open: whether it keeps a stock; cells are made for waiters anyhow.
    """

    turn: int
    demand: Demand
    open: bool

    @property
    def ready(self) -> int:
        """Cells that wait."""
        ...

    @property
    def making(self) -> int:
        """Cells being made."""
        ...

    @property
    def waiting(self) -> int:
        """Those who wait for a cell."""
        ...

    @property
    def paused(self) -> bool:
        """Whether none may be begun, after a failure."""
        ...

    def in_use(self) -> int:
        """Cells that were taken and are not destroyed yet."""
        ...

    def begin(self) -> None:
        """Begin to make one cell."""
        ...

    def shrink(self, keep: int) -> None:
        """Destroy waiting cells, the oldest first, until no more than ``keep`` are left."""
        ...


class Refill:
    """The one place where the making of warm cells is begun.

    Args:
        bounds: of the stock.
        parallel: cells being made at once, in all profiles together.
        cores: processors that cells run on.
        clock: seconds that only grow.
        memory: tells how memory is; asked once a second.
    """

    def __init__(
        self,
        bounds: IdleBounds,
        parallel: int,
        cores: int,
        clock: Callable[[], float] = time.monotonic,
        memory: Callable[[], Memory] = lambda: Memory.PLENTY,
    ) -> None:
        self._bounds = bounds
        self._parallel = parallel
        self._cores = cores
        self._clock = clock
        self._look = memory
        self._memory = Memory.PLENTY
        self._stocks: list[Stock] = []
        self._turn = 0
        self._taken_at_s = float("-inf")
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None

    def join(self, stock: Stock) -> None:
        """Look after this pool, too."""
        self._stocks.append(stock)

    def leave(self, stock: Stock) -> None:
        """Forget a pool; with the last one goes the clock."""
        self._stocks = [each for each in self._stocks if each is not stock]
        if not self._stocks:
            for handle in (self._soon, self._later, self._ticking):
                if handle is not None:
                    handle.cancel()
            self._soon = self._later = self._ticking = None

    def new_demand(self) -> Demand:
        """The estimate for one more pool."""
        return Demand(self._bounds.most(1))

    def arrived(self, demand: Demand) -> None:
        """Somebody wants a cell of the pool whose demand this is."""
        self._taken_at_s = self._clock()
        demand.arrived(self._taken_at_s)

    def has_room(self) -> bool:
        """Whether one more cell may wait."""
        return sum(stock.ready for stock in self._stocks) < self._bounds.most(len(self._stocks))

    def soon(self) -> None:
        """Begin what is missing, in the next turn of the loop."""
        if self._soon is None and self._stocks:
            loop = asyncio.get_running_loop()
            self._soon = loop.call_soon(self._run_soon)
            self._keep_ticking(loop)

    def later(self) -> None:
        """Begin what is missing, once who has taken a cell has gone on."""
        if self._soon is None and self._later is None and self._stocks:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(TAKER_FIRST_S, self._run_later)

    def _run_soon(self) -> None:
        self._soon = None
        self._begin_missing()

    def _run_later(self) -> None:
        self._later = None
        self._begin_missing()

    def _keep_ticking(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._ticking is None:
            self._ticking = loop.call_later(TICK_S, self._run_tick)

    def _run_tick(self) -> None:
        self._ticking = None
        self._keep_ticking(asyncio.get_running_loop())  # first: whatever happens, it goes on
        self.tick()

    def tick(self) -> None:
        """Let demand fade: destroy what is too much, begin what is missing."""
        self._memory = self._look()
        for stock, target in zip(self._stocks, self.targets(), strict=True):
            stock.shrink(target)
        self._begin_missing()

    def targets(self) -> list[int]:
        """How many cells each pool should keep waiting, in the order they joined."""
        if self._memory is Memory.SHORT:
            return [0 for _ in self._stocks]
        if self._memory is Memory.TIGHT:
            return [self._bounds.min_idle for _ in self._stocks]
        now_s = self._clock()
        return self._bounds.share([stock.demand.level(now_s) for stock in self._stocks])

    def target(self, stock: Stock) -> int:
        """How many cells one pool should keep waiting; 0 for one that has left."""
        pairs = zip(self._stocks, self.targets(), strict=True)
        return next((target for each, target in pairs if each is stock), 0)

    def _begin_missing(self) -> None:
        making = sum(stock.making for stock in self._stocks)
        while (stock := self._next_waited_for(making)) is not None:
            self._begin(stock)
            making += 1
        targets = self.targets()
        in_use = sum(stock.in_use() for stock in self._stocks)
        while (stock := self._next_for_stock(targets, making, in_use)) is not None:
            self._begin(stock)
            making += 1

    def _begin(self, stock: Stock) -> None:
        self._turn += 1
        stock.turn = self._turn
        stock.begin()

    def _next_waited_for(self, making: int) -> Stock | None:
        return _longest_ago(
            stock
            for stock in self._stocks
            if stock.waiting > stock.making
            and not stock.paused
            and (making < self._parallel or not stock.making)
        )

    def _next_for_stock(self, targets: list[int], making: int, in_use: int) -> Stock | None:
        free = min(self._parallel, self._cores - in_use)
        if making >= max(1, free):
            return None
        spare = free > 0 or self._clock() - self._taken_at_s >= QUIET_S
        return _longest_ago(
            stock
            for stock, target in zip(self._stocks, targets, strict=True)
            if stock.open
            and not stock.paused
            and _coming(stock) < (target if spare else min(target, self._bounds.min_idle))
        )


def _coming(stock: Stock) -> int:
    """Cells that will wait when those who wait now are served."""
    return stock.ready + stock.making - stock.waiting


def _longest_ago(stocks: Iterable[Stock]) -> Stock | None:
    return min(stocks, key=lambda stock: stock.turn, default=None)
