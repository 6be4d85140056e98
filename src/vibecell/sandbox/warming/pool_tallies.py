"""What is counted of one profile's cells and zygotes.

Owns the numbers and under which labels they are told; refuses to decide anything by them.
"""

from collections.abc import Iterator, Mapping

from vibecell.model import families
from vibecell.model.language import WarmProfile
from vibecell.model.measures import Measured, Tally, gauge, gauges

_STATES = ("ready", "making", "in_use", "ending")
_NO_PROFILE = WarmProfile(name="none")


class PoolTallies:
    """Those of one profile.

    Args:
        profile: whose cells; says in which place they are, too.
    """

    def __init__(self, profile: WarmProfile = _NO_PROFILE) -> None:
        self._of = of = (profile.place or families.DEFAULT_PLACE, profile.name)
        self._takes = Tally(families.POOL_TAKES, [(*of, "hit"), (*of, "miss")])
        self._making = Tally(families.CELL_SECONDS, [of])
        self._not_made = Tally(families.CELL_FAILURES, [of])
        self._started = Tally(families.ZYGOTES_STARTED, [of])
        self._lost = Tally(families.ZYGOTES_LOST, [of])
        self._failed = Tally(families.ZYGOTES_FAILED, [of])

    def taken(self, was_ready: bool) -> None:
        """Somebody asked for a cell, and one was warm, or he has to wait."""
        self._takes.add(*self._of, "hit" if was_ready else "miss")

    def made(self, seconds: float) -> None:
        """A cell is warm."""
        self._making.observe(seconds, *self._of)

    def not_made(self) -> None:
        """A cell could not be made."""
        self._not_made.add(*self._of)

    def zygote_started(self) -> None:
        """A zygote is ready."""
        self._started.add(*self._of)

    def zygote_failed(self) -> None:
        """A zygote could not be started."""
        self._failed.add(*self._of)

    def zygote_lost(self) -> None:
        """A zygote ended by itself, or could not make a cell and makes no more."""
        self._lost.add(*self._of)

    def measured(self, counts: Mapping[str, int]) -> Iterator[Measured]:
        """All of it, with what there is at this moment by its name."""
        yield gauges(
            families.POOL_CELLS,
            (((*self._of, state), counts[state]) for state in _STATES if state in counts),
        )
        yield gauge(families.POOL_TARGET, counts["target"], *self._of)
        yield gauge(families.POOL_WAITING, counts["waiting"], *self._of)
        for tally in (
            self._takes,
            self._making,
            self._not_made,
            self._started,
            self._lost,
            self._failed,
        ):
            yield tally.measured()
