"""What each owner has used of a day.

Owns the sums by owner and day (in UTC), what executions that have not ended reserve of a
grant, and the port of whatever keeps the sums beyond the process. Refuses to read a clock,
and to say who may begin: ``engine/allowances.py`` asks and decides.

*Reserve and charge.* What an execution may take at most is its limits; what programs take is
mostly a hundredth of them. So an execution reserves what its owner's took lately, as far as its
limits and the grant have that. That is for who waits: the law that holds a quota is the one
of who runs. A stage begins only while something of the grant is left, and with no more than
that as its limit; its use is charged when it ends. Hence

    one program at a time never takes more than the grant, and
    several never more than the grant and the limits of those that ran when it was used up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vibecell.model.caller import Grant, Owner
from vibecell.model.errors import LimitReached
from vibecell.model.limits import HIGHEST
from vibecell.sharing.fair import smoothed

MAX_USERS_OF_A_KEY = 65_536  # whose sums of one day are kept; each is some hundred bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor time in microseconds, and bytes of output; whole numbers add up exactly."""

    cpu_us: int = 0
    output_bytes: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Both together; no sum is larger than what every store holds."""
        return Spent(
            min(HIGHEST, self.cpu_us + other.cpu_us),
            min(HIGHEST, self.output_bytes + other.output_bytes),
        )

    def minus(self, other: "Spent") -> "Spent":
        """What is left, of each never less than nothing."""
        return Spent(
            max(0, self.cpu_us - other.cpu_us), max(0, self.output_bytes - other.output_bytes)
        )

    def at_most(self, other: "Spent") -> "Spent":
        """Of each the smaller."""
        return Spent(min(self.cpu_us, other.cpu_us), min(self.output_bytes, other.output_bytes))


NOTHING = Spent()
#: What an owner's programs are thought to take before one has ended.
FIRST_GUESS = Spent(cpu_us=100_000, output_bytes=16 * 1024)


@dataclass(frozen=True, slots=True)
class Entry:
    """A sum, or what comes to one.

    Attributes:
        day: since 1970-01-01, in UTC.
        owner: a key, for all that it has with its users; or one of these.
    """

    day: int
    owner: Owner
    spent: Spent


class LedgerStore(Protocol):
    """Keeps sums beyond the process; its calls may wait for a disk, and come one at a time."""

    def open(self) -> None:
        """Make sure that it can be read and written.

        Raises:
            StoreUnavailable: it cannot; says why.
        """
        ...

    def load(self, since_day: int) -> list[Entry]:
        """The sums of this day and later ones.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        ...

    def add(self, entries: Sequence[Entry], forget_before: int) -> list[Entry]:
        """Add to sums, all or none, and forget days before that one.

        Returns:
            the sums that now stand for those of ``entries``.

        Raises:
            StoreUnavailable: nothing was added.
        """
        ...

    def close(self) -> None:
        """Let go of it; idempotent, never raises."""
        ...


def granted(grant: Grant) -> Spent:
    """What a grant has for a day; more than can be used where it says nothing."""
    cpu_ms, output_bytes = grant.cpu_ms_per_day, grant.output_bytes_per_day
    return Spent(
        HIGHEST if cpu_ms is None else min(HIGHEST, cpu_ms * 1000),
        HIGHEST if output_bytes is None else output_bytes,
    )


def is_daily(grant: Grant) -> bool:
    """Whether a grant bounds what a day may take."""
    return grant.cpu_ms_per_day is not None or grant.output_bytes_per_day is not None


@dataclass(slots=True, eq=False)
class Tally:
    """What one owner has used of one day, and is about to.

    Attributes:
        spent: of programs that have ended.
        unwritten: of that, what no store has yet.
        reserved: for executions that have not ended.
        live: how many these are.
        typical: what one took lately.
    """

    day: int
    owner: Owner
    spent: Spent = NOTHING
    unwritten: Spent = NOTHING
    reserved: Spent = NOTHING
    live: int = 0
    typical: Spent = field(default=FIRST_GUESS)

    def left(self, grant: Grant) -> Spent:
        """What those that run may still take."""
        return granted(grant).minus(self.spent)

    def left_to_begin(self, grant: Grant) -> Spent:
        """What may still be reserved."""
        return self.left(grant).minus(self.reserved)

    def reserve(self, most: Spent, grant: Grant) -> Spent:
        """Set aside what one more execution is likely to take; returns it, for ``release``.

        Args:
            most: what it may take.
            grant: of this owner; where it bounds no day, nothing is set aside.
        """
        self.live += 1
        if not is_daily(grant):
            return NOTHING
        amount = self.typical.at_most(most).at_most(self.left_to_begin(grant))
        self.reserved = self.reserved.plus(amount)
        return amount

    def release(self, amount: Spent) -> None:
        """Give a reserve back."""
        self.live -= 1
        if amount is not NOTHING:
            self.reserved = self.reserved.minus(amount)

    def charge(self, used: Spent) -> None:
        """A stage has ended, and has used so much."""
        self.spent = self.spent.plus(used)
        self.unwritten = self.unwritten.plus(used)

    def learn(self, used: Spent) -> None:
        """A whole execution has taken so much."""
        self.typical = Spent(
            round(smoothed(self.typical.cpu_us, used.cpu_us)),
            round(smoothed(self.typical.output_bytes, used.output_bytes)),
        )


class Ledger:
    """The tallies of one engine; those of past days go once they are written.

    Args:
        entries: what is known of today.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._tallies: dict[tuple[int, Owner], Tally] = {}
        self._users: dict[tuple[int, str], int] = {}
        for entry in entries:
            self._add(Tally(entry.day, entry.owner, entry.spent))

    def tally(self, owner: Owner, day: int) -> Tally:
        """The tally of this owner and day, made if there is none.

        Raises:
            LimitReached: the key has had too many users on that day to count one more.
        """
        known = self._tallies.get((day, owner))
        if known is not None:
            return known
        if self._users.get((day, owner.key), 0) >= MAX_USERS_OF_A_KEY and owner.user is not None:
            raise LimitReached(
                f"the key's users of today whose use is counted are {MAX_USERS_OF_A_KEY} already"
            )
        return self._add(Tally(day, owner))

    def _add(self, tally: Tally) -> Tally:
        self._tallies[tally.day, tally.owner] = tally
        if tally.owner.user is not None:
            of_key = (tally.day, tally.owner.key)
            self._users[of_key] = self._users.get(of_key, 0) + 1
        return tally

    def take_unwritten(self) -> list[Entry]:
        """What is to be written; ``written`` or ``not_written`` follows."""
        taken = []
        for tally in self._tallies.values():
            if tally.unwritten != NOTHING:
                taken.append(Entry(tally.day, tally.owner, tally.unwritten))
                tally.unwritten = NOTHING
        return taken

    def written(self, sums: Iterable[Entry]) -> None:
        """The store has these sums now: another engine may have added to them as well."""
        for entry in sums:
            tally = self._tallies.get((entry.day, entry.owner))
            if tally is not None:
                tally.spent = entry.spent.plus(tally.unwritten)

    def not_written(self, taken: Iterable[Entry]) -> None:
        """The store has not taken these."""
        for entry in taken:
            tally = self._tallies[entry.day, entry.owner]
            tally.unwritten = tally.unwritten.plus(entry.spent)

    def forget_before(self, day: int) -> None:
        """Let go of earlier days, but for what is still to be written or used."""
        for at, tally in tuple(self._tallies.items()):
            if tally.day < day and not tally.live and tally.unwritten == NOTHING:
                del self._tallies[at]
        for of_key in tuple(self._users):
            if of_key[0] < day:
                del self._users[of_key]

    def __len__(self) -> int:
        return len(self._tallies)
