"""How much each caller may have at once and in a day, and what it has of that.

Owns the bounds of grants on executions that run or wait, and on processor time and output of
a day in UTC: of a key, all its users together, and of one user. Refuses to know where sums
are kept (``bookkeeping.py``), and who is next (``admission.py``).

The law of a day's quota is in ``sharing/ledger.py``: what waits is likely to fit, what runs
does. An execution belongs to the day on which it was admitted, whenever it ends.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from vibecell.model.caller import DAY_S, NO_BOUNDS, Account, Grant, Owner
from vibecell.model.errors import LimitReached, StoreUnavailable
from vibecell.model.execution import Usage
from vibecell.model.limits import HIGHEST, Limits
from vibecell.sharing.held import Held
from vibecell.sharing.ledger import NOTHING, Ledger, Spent, Tally, is_daily


@dataclass(frozen=True, slots=True)
class _Bound:
    """One of the two grants that hold for an execution, and whose it is."""

    whose: str
    owner: Owner
    grant: Grant


@dataclass(frozen=True, slots=True)
class _Part:
    """What an execution has of one bound that has a tally."""

    bound: _Bound
    tally: Tally
    reserved: Spent


class Allowances:
    """What all callers of one engine have.

    Args:
        ledger: of what was used.
        retry_after_s: when a place may be free.
        is_overdue: whether what was used could not be written for long.
        clock: seconds since 1970-01-01, in UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        retry_after_s: Callable[[], int],
        is_overdue: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._retry_after_s = retry_after_s
        self._is_overdue = is_overdue
        self._clock = clock
        self._live = Held()

    def live(self, owner: Owner) -> int:
        """Executions of this user, or of this key and all its users, that run or wait."""
        return self._live[owner]

    def claim(self, account: Account, limits: Limits) -> "Claim":
        """What one more execution has, until its ``release``.

        Args:
            limits: of each of its stages.

        Raises:
            LimitReached: the key's, or the user's, is used up; says which.
            StoreUnavailable: use of a day is bounded and cannot be written down.
        """
        bounds = _bounds(account)
        self._require_places(bounds)
        if any(is_daily(b.grant) for b in bounds) and self._is_overdue():
            raise StoreUnavailable("write what was used", "it could not be for too long")
        day = int(self._clock() // DAY_S)
        counted = [b for b in bounds if b.owner.user is None or is_daily(b.grant)]
        tallies = [(b, self._ledger.tally(b.owner, day)) for b in counted]
        for bound, tally in tallies:
            if not is_daily(bound.grant):
                continue
            _require(tally.left(bound.grant), bound, self._clock())
            if (name := _used_up(tally.left_to_begin(bound.grant), bound.grant)) is not None:
                raise LimitReached(
                    f"what is left of the {bound.whose}'s {name} is reserved by what has begun",
                    self._retry_after_s(),
                )
        most = _most(limits)
        parts = [_Part(b, tally, tally.reserve(most, b.grant)) for b, tally in tallies]
        self._live.add(account.owner)
        return Claim(parts, partial(self._live.remove, account.owner), self._clock)

    def _require_places(self, bounds: list[_Bound]) -> None:
        for bound in bounds:
            most = bound.grant.concurrent
            if most is not None and self._live[bound.owner] >= most:
                raise LimitReached(
                    f"at most {most} executions at once are the {bound.whose}'s;"
                    " another may begin when one has ended",
                    self._retry_after_s(),
                )


class Claim:
    """What one execution has of its key's and its user's grants.

    Args:
        parts: what it has reserved; none: it may take all that it asks for.
        ended: called at its end.
        clock: as that of ``Allowances``.
    """

    def __init__(
        self,
        parts: Iterable[_Part] = (),
        ended: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._parts = tuple(parts)
        self._bounded = tuple(part for part in self._parts if is_daily(part.bound.grant))
        self._ended = ended
        self._clock = clock
        self._used = NOTHING
        self._has_run = self._is_released = False

    def require_left(self) -> None:
        """Refuse to go on where the day's grant has been used up meanwhile.

        Raises:
            LimitReached: it has.
        """
        for part in self._bounded:
            _require(part.tally.left(part.bound.grant), part.bound, self._clock())

    def limits_now(self, limits: Limits) -> Limits:
        """The limits of a stage that begins now: what is left of the day, where that is less.

        Raises:
            LimitReached: nothing is.
        """
        if not self._bounded:
            return limits
        self.require_left()
        most = _most(limits)
        cut = most
        for part in self._bounded:
            cut = cut.at_most(part.tally.left(part.bound.grant))
        if cut == most:
            return limits
        cpu_time_ms = -(-cut.cpu_us // 1000)
        return replace(limits, cpu_time_ms=cpu_time_ms, output_bytes=cut.output_bytes)

    def charge(self, usage: Usage, limits: Limits) -> None:
        """A stage has ended, in whatever way, and has used so much.

        Args:
            usage: as measured; where the host could not tell the processor time, the stage is
                charged as if it had worked all the while, as far as its limit let it.
            limits: its own.
        """
        cpu_ms = usage.cpu_time_ms
        if cpu_ms is None:
            cpu_ms = min(usage.wall_time_ms, limits.cpu_time_ms)
        used = Spent(min(HIGHEST, round(cpu_ms * 1000)), usage.output_bytes)
        self._has_run = True
        self._used = self._used.plus(used)
        for part in self._parts:
            part.tally.charge(used)

    def release(self) -> None:
        """It has ended; idempotent."""
        if self._is_released:
            return
        self._is_released = True
        for part in self._parts:
            part.tally.release(part.reserved)
        for part in self._bounded if self._has_run else ():
            part.tally.learn(self._used)
        self._ended()


def _bounds(account: Account) -> list[_Bound]:
    """The key's and its user's; a user's grant without a user holds for the key."""
    key = Owner(account.owner.key)
    bounds = [_Bound("key", key, account.key_grant)]
    if account.owner.user is not None or account.user_grant != NO_BOUNDS:
        bounds.append(_Bound("user", account.owner, account.user_grant))
    return bounds


def _most(limits: Limits) -> Spent:
    return Spent(min(HIGHEST, limits.cpu_time_ms * 1000), limits.output_bytes)


def _require(left: Spent, bound: _Bound, now_s: float) -> None:
    """Refuse where nothing of a day's grant is left.

    Raises:
        LimitReached: says whose, and which.
    """
    name = _used_up(left, bound.grant)
    if name is not None:
        raise LimitReached(
            f"the {bound.whose}'s {name} is used up; the next day begins at 00:00 UTC",
            int(DAY_S - now_s % DAY_S) + 1,
        )


def _used_up(left: Spent, grant: Grant) -> str | None:
    if grant.cpu_ms_per_day is not None and left.cpu_us <= 0:
        return f"processor time of the day ({grant.cpu_ms_per_day / 1000:g} s)"
    if grant.output_bytes_per_day is not None and left.output_bytes <= 0:
        return f"output of the day ({grant.output_bytes_per_day} bytes)"
    return None
