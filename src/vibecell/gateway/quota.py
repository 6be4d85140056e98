"""How much one may ask for, of keys, of their users, and of addresses.

Owns rates of what is begun, and counts of what is open; refuses with 429, a hint, and whose limit
it is. The engine's own queue bounds everything together; this keeps one from taking it all.
A request that is refused takes this process's one thread as well, and no place in any queue:
hence refusals have a rate of their own, beyond which nothing is read.

All rates are asked before any is counted, so that what one of them refuses is counted against
nobody: a user who is beyond his own takes nothing of his key's.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from vibecell.gateway.http.connection import Connection, network_of
from vibecell.gateway.policy import Policy
from vibecell.gateway.rates import Left, PerMinute, Rates, second_part
from vibecell.gateway.recent_moments import RecentMoments, nobodys
from vibecell.model.caller import Account, Owner, Rate
from vibecell.model.errors import (
    InvalidRequest,
    LimitReached,
    MalformedRequest,
    UnsupportedLanguage,
)
from vibecell.sharing.held import Held

Whose = Literal["key", "user", "address"]
_OWNERS: tuple[Whose, ...] = ("key", "user")
_MINUTE_S = 60
#: What says of a message that nothing will come of it, however often it is sent.
_REFUSALS = (
    MalformedRequest,
    InvalidRequest,
    UnsupportedLanguage,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)


class Bound(NamedTuple):
    """A rate that somebody has to keep.

    Attributes:
        name: under which it is counted.
    """

    whose: Whose
    rate: Rate
    name: tuple[str, ...]


@dataclass(slots=True)
class Notes:
    """What is noted of a request, against whom it is counted and who is told of what rates.

    Attributes:
        account: of whoever asks it; ``None``: nobody knows. The authenticator's to note.
        begins_for: to which it begins an execution; ``None``: to none so far.
        refused_by: the bound that refused it; ``None``: no rate did.
    """

    account: Account | None = None
    begins_for: Account | None = None
    refused_by: Bound | None = None


def notes_of(connection: Connection) -> Notes:
    """The notes of the request under way."""
    notes: Notes | None = connection.notes
    if notes is None:
        notes = connection.notes = Notes()
    return notes


class Lease:
    """Places taken; ``release`` gives them back, once."""

    def __init__(self) -> None:
        self._taken: list[tuple[Held, Owner]] = []

    def take(self, held: Held, owner: Owner) -> None:
        """One more place."""
        held.add(owner)
        self._taken.append((held, owner))

    def release(self) -> None:
        """Give the places back; idempotent."""
        while self._taken:
            held, owner = self._taken.pop()
            held.remove(owner)


class Quota:
    """Counts in this process.

    Args:
        policy: bounds of whoever has none of his own.
        clock: seconds; never goes back.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        # apart: whoever has many users, or many addresses, pushes out no key that way
        self._rates = {
            each: Rates(RecentMoments(clock=clock, holder_of=_holders(each)), clock)
            for each in get_args(Whose)
        }
        self._of_key = Rate(policy.begun_per_minute, _MINUTE_S)
        self._of_user = Rate(policy.begun_per_minute_of_user, _MINUTE_S)
        self._of_address = Rate(policy.begun_per_minute_of_address, _MINUTE_S)
        self._clock = clock
        self._refused_until = clock()  # the last who was told to wait has waited
        self._refused: dict[Whose, PerMinute] = {
            each: PerMinute(policy.refused_per_minute, clock=clock, holder_of=_holders(each))
            for each in _OWNERS
        }
        self._concurrent = policy.concurrent
        self._held = Held()
        self._streams = Held()
        self._calls: dict[Whose, Held] = {each: Held() for each in _OWNERS}

    def bounds(self, account: Account) -> tuple[Bound, ...]:
        """The rates that are an account's: its user's, if it is one's, and its key's."""
        owner = account.owner
        rate = account.key_grant.rate or self._of_key
        of_key = Bound("key", rate, _name_of_key(owner))
        if owner.user is None:
            return (of_key,)
        rate = account.user_grant.rate or self._of_user
        return Bound("user", rate, _name(owner)), of_key

    def left(self, bound: Bound) -> Left:
        """What is left of it now."""
        return self._rates[bound.whose].left(bound.rate, *bound.name)

    def require_room(self, account: Account, connection: Connection) -> None:
        """Whoever goes on beyond a rate is told before anything of his request is read.

        Raises:
            LimitReached: it is the user's, the key's or the address's.
        """
        if self._clock() < self._refused_until:  # else nobody goes on, and ``count_begun`` asks
            self._require(self._all_bounds(account, connection), connection)

    def count_begun(self, account: Account, connection: Connection) -> None:
        """Count one request that begins an execution.

        Raises:
            LimitReached: a rate is used up: the user's, the key's or the address's.
        """
        bounds = self._all_bounds(account, connection)
        notes_of(connection).begins_for = account
        self._require(bounds, connection)
        for bound in bounds:
            self._rates[bound.whose].count(bound.rate, *bound.name)

    def _all_bounds(self, account: Account, connection: Connection) -> tuple[Bound, ...]:
        address = network_of(connection.client)
        of_address = Bound("address", self._of_address, ("address", address))
        return (*self.bounds(account), of_address)

    def _require(self, bounds: tuple[Bound, ...], connection: Connection) -> None:
        for bound in bounds:
            left = self.left(bound)
            if not left.remaining:
                until = self._clock() + min(left.more_in_s, _MINUTE_S)
                self._refused_until = max(self._refused_until, until)
                notes_of(connection).refused_by = bound
                said = f"executions of this {bound.whose}: at most {bound.rate}"
                raise LimitReached(said, math.ceil(left.more_in_s))

    def lease(self, owner: Owner) -> Lease:
        """Take one of the owner's places for something that stays open.

        Raises:
            LimitReached: all of them are taken, or all of his key's.
        """
        lease = Lease()
        self._take(owner, self._held, lease)
        return lease

    def _take(self, owner: Owner, held: Held, lease: Lease) -> None:
        full = held.full_for(owner, self._concurrent)
        if full is not None:
            # a number would tell a user how much the others of his key do
            most = f"at most {'' if full == 'key' else 'his share of '}{self._concurrent}"
            what = "requests and streams" if held is self._held else "short calls"
            raise LimitReached(f"{what} that this {full} holds open: {most}")
        lease.take(held, owner)

    def stream(self, account: Account) -> Lease:
        """The same for an event stream or a WebSocket, which have bounds of their own.

        Raises:
            LimitReached: all places are taken, the user's or his key's.
        """
        owner, of_key = account.owner, Owner(account.owner.key)
        bounded = [(of_key, account.key_grant.streams)]
        if owner != of_key:
            bounded.append((owner, account.user_grant.streams))
        for each, most in bounded:
            if most is not None and self._streams[each] >= most:
                raise LimitReached(
                    f"event streams and WebSockets of this {_kind(each)}: at most {most}"
                )
        lease = self.lease(owner)
        lease.take(self._streams, owner)
        return lease

    @contextmanager
    def calling(self, owner: Owner) -> Iterator[None]:
        """A place for a short call that begins nothing, while its message is judged.

        None of those of executions and streams: whatever a key's users hold open, their platform
        goes on issuing and controlling. Its own calls and its users' are counted apart as well.

        Raises:
            LimitReached: all places for such calls are taken, or as ``require_unrefused``.
        """
        lease = Lease()
        self._take(owner, self._calls[_kind(owner)], lease)
        try:
            with self.judging(owner):
                yield
        finally:
            lease.release()

    @contextmanager
    def beginning(self, account: Account, connection: Connection) -> Iterator[None]:
        """``lease`` for a request that is to begin an execution, if there is room for that.

        In one piece, as it is in the way of every one.
        """
        lease = Lease()
        try:
            self._take(account.owner, self._held, lease)
            self.require_unrefused(account.owner)
            self.require_room(account, connection)
            yield
        except LimitReached:
            self._note_refused((notes_of(connection).begins_for or account).owner)
            raise
        except _REFUSALS:
            self._note_refused(account.owner)
            raise
        finally:
            lease.release()

    @contextmanager
    def charging(self, account: Account, connection: Connection) -> Iterator[None]:
        """A block in which a limit may refuse somebody, which is counted like other refusals.

        It is counted against whom the execution would have been for: a user who goes on
        beyond his limits does not have his key shut out.
        """
        try:
            yield
        except LimitReached:
            self._note_refused((notes_of(connection).begins_for or account).owner)
            raise

    @contextmanager
    def streaming(self, account: Account) -> Iterator[None]:
        """``stream`` for the time of a block."""
        lease = self.stream(account)
        try:
            yield
        finally:
            lease.release()

    def require_unrefused(self, owner: Owner) -> None:
        """Read nothing more of one who was refused again and again.

        Raises:
            LimitReached: too many of the owner's were refused within a minute.
        """
        wait_s = self._refused[_kind(owner)].wait_s(*_name(owner))
        if wait_s > 0:
            said = f"too many requests of this {_kind(owner)} were refused"
            raise LimitReached(said, math.ceil(wait_s))

    @contextmanager
    def judging(self, owner: Owner) -> Iterator[None]:
        """A block that reads a message and may refuse it, which is counted.

        Raises:
            LimitReached: as ``require_unrefused``.
        """
        self.require_unrefused(owner)
        with self.counting(owner):
            yield

    @contextmanager
    def counting(self, owner: Owner) -> Iterator[None]:
        """The same for one who has been let in: what was refused before does not end that."""
        try:
            yield
        except _REFUSALS:
            self._note_refused(owner)
            raise

    def _note_refused(self, owner: Owner) -> None:
        self._refused[_kind(owner)].count(*_name(owner))

    @property
    def open(self) -> int:
        """Places taken by all owners together."""
        return self._held.total + sum(held.total for held in self._calls.values())


def _kind(owner: Owner) -> Whose:
    return "key" if owner.user is None else "user"


def _holders(whose: Whose) -> Callable[[str], str]:
    """Whose the names are that are counted of these: of users, their key's."""
    return second_part if whose == "user" else nobodys


def _name(owner: Owner) -> tuple[str, ...]:
    """Under which a key or a user is counted, whatever of it is."""
    return _name_of_key(owner) if owner.user is None else ("user", owner.key, owner.user)


def _name_of_key(owner: Owner) -> tuple[str, ...]:
    return ("key", owner.key)
