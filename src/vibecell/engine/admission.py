"""Who may run now, who waits, who is turned away.

Owns the bounds on executions that run, that wait for their turn, and that have given their
place back while they wait for input; says to the fair queue (``sharing/fair.py``) who comes and
what each took. Refuses when its owner has no room in the queue, at once and with a hint, never
later: what is accepted stays, and newcomers find room because nobody may fill it all
(``sharing/room.py``).

What a program took is the larger of its processor time and a share of the time it held its
place: what the place is worth of the machine. So who sleeps pays, too.

Who gives his place back has a room *beside* the places for it, one of a bounded number, and keeps
that when he goes on and no place is free. So he goes on at once, and what goes on, however much
at a time, never keeps anybody from a place.
"""

import asyncio
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

from vibecell.model.caller import Account, Owner
from vibecell.model.errors import QueueFull
from vibecell.sharing.fair import FairQueue, smoothed
from vibecell.sharing.room import places_for, rooms

POSITION_INTERVAL_S = 0.1
MAX_RETRY_AFTER_S = 60
# Whoever is further behind is told once he is no more: to tell so many takes some 10 ms,
# of which the loop is held for one at a time.
MAX_TOLD = 1000
TOLD_AT_ONCE = 100
PROCESSORS = len(os.sched_getaffinity(0))
_TELLING_SHARE = 20  # of the time there is: telling a long queue where it stands takes its time

Tell = Callable[[int, int | None], None]
"""Told a position in the queue, 0 is next, and the wait from there in ms where one is known."""


class Ticket:
    """A place, running or waiting; ``release`` gives it back, whichever it is.

    Args:
        admission: whose ticket it is.
        owner: who has it.
        number: in the queue.
        tell: called with each new position in the queue at most ten times a second, but for 0.
    """

    def __init__(self, admission: "Admission", owner: Owner, number: int, tell: Tell) -> None:
        self.owner = owner
        self.number = number
        self._admission = admission
        self._tell = tell
        self.is_beside = False  # it has a room beside the places
        self._granted = asyncio.get_running_loop().create_future()
        self._told: int | None = None
        self._held_since_s: float | None = None
        self._held_before_s = 0.0
        self._released = False

    async def wait(self) -> None:
        """Return when it is this one's turn; may be cancelled."""
        await asyncio.shield(self._granted)

    def release(self, cpu_time_ms: float | None = None) -> None:
        """Give the place back; idempotent.

        Args:
            cpu_time_ms: what was used of it; ``None``: nobody knows, all that was held is charged.
        """
        if not self._released:
            self._released = True
            self._admission._release(self, cpu_time_ms)

    def park(self) -> None:
        """Give the place back for as long as there is nothing to do, if there is room for that."""
        if self.granted and not self._released and not self.parked:
            self._admission._park(self)

    def resume(self) -> None:
        """Go on at once: in a place, or where none is free in the room it has beside them."""
        if self.parked and not self._released:
            self._admission._resume(self)

    @property
    def granted(self) -> bool:
        """Whether its turn has come."""
        return self._granted.done()

    @property
    def parked(self) -> bool:
        """Whether its turn has come and it has nothing to do."""
        return self.granted and self._held_since_s is None

    @property
    def held_s(self) -> float:
        """How long it has had something to do, in a place or beside them."""
        since_s = self._held_since_s
        return self._held_before_s + (0.0 if since_s is None else time.monotonic() - since_s)

    def _grant(self) -> None:
        self._hold()
        self._granted.set_result(None)

    def _hold(self) -> None:
        self._held_since_s = time.monotonic()

    def _let_go(self) -> None:
        self._held_before_s = self.held_s
        self._held_since_s = None

    def _move(self, position: int, wait_ms: int | None) -> None:
        if self._told != position:
            self._told = position
            self._tell(position, wait_ms)


class Admission:
    """Bounded concurrency, and a bounded and fair queue before it.

    Args:
        max_concurrent: tickets granted at once.
        queue_size: tickets that one user may have waiting when nobody else has; there is a
            quarter more for other users of his key, and again for other keys.
        max_parked: rooms beside the places, for tickets that wait for input or have gone on.
    """

    def __init__(self, max_concurrent: int, queue_size: int, max_parked: int = 0) -> None:
        self._max_concurrent = max_concurrent
        self._places = places_for(places_for(queue_size))
        self._max_parked = max_parked
        self._worth = min(1.0, PROCESSORS / max_concurrent)
        self._queue = FairQueue(first_estimate=self._worth)
        self._waiting: dict[int, Ticket] = {}
        self._granted: dict[int, Ticket] = {}
        self._beside: Counter[str | Owner] = Counter()
        self._beside_in_all = self._parked_in_all = 0
        self._typical_s: float | None = None
        self._tell_again_at_s = 0.0
        self._telling: asyncio.Handle | None = None

    @property
    def running(self) -> int:
        """Tickets that have something to do, in a place or beside them."""
        return len(self._granted) - self._parked_in_all

    @property
    def waiting(self) -> int:
        """Tickets in the queue."""
        return len(self._waiting)

    @property
    def parked(self) -> int:
        """Tickets whose turn has come and that hold no place all the same."""
        return self._parked_in_all

    def admit(self, account: Account, tell: Tell, priority: int = 0) -> Ticket:
        """A ticket, granted at once or queued.

        Args:
            account: who is charged, and by what weight.
            tell: see ``Ticket``.
            priority: before which others of the same user it goes.

        Raises:
            QueueFull: its owner has no room to wait in.
        """
        key, user = account.owner.key, account.owner.user or ""
        is_free = self._is_free()  # then nobody waits
        if not is_free:
            self._require_room(key, user)
        number = self._queue.add(key, user, account.weight, priority)
        ticket = self._waiting[number] = Ticket(self, account.owner, number, tell)
        if is_free:
            self._grant_what_is_free()
        else:
            self._tell_soon()
        return ticket

    def retry_after_s(self) -> int:
        """When a place may be free, from how long places were held lately."""
        typical_s = self._typical_s
        if typical_s is None:  # nobody has given one back: the oldest has had his for so long
            typical_s = next((ticket.held_s for ticket in self._granted.values()), 0.0)
        rounds = (len(self._waiting) + 1) / self._max_concurrent
        return min(MAX_RETRY_AFTER_S, max(1, math.ceil(rounds * typical_s)))

    def _require_room(self, key: str, user: str) -> None:
        of_key = self._queue.waiting_of(key)
        of_user = self._queue.waiting_of(key, user)
        for_key, for_user = rooms(self._places, len(self._queue), of_key, of_user)
        if of_user < for_user:
            return
        if for_key == 0:
            said = "every place is taken, to run and to wait in"
        elif of_key >= for_key:
            # how many that is tells a user what the key's other users do
            said = "as many executions of this key wait as may; what room is left is for others"
        else:
            said = f"{of_user} executions of this user wait; what room is left is for others"
        raise QueueFull(f"{said}; try again later", self.retry_after_s())

    def _release(self, ticket: Ticket, cpu_time_ms: float | None) -> None:
        if not ticket.granted:
            del self._waiting[ticket.number]
            self._queue.drop(ticket.number)
        else:
            self._parked_in_all -= ticket.parked
            if ticket.is_beside:
                self._count_beside(ticket, -1)
            del self._granted[ticket.number]
            held_s = ticket.held_s
            self._typical_s = smoothed(self._typical_s, held_s)
            used_s = held_s if cpu_time_ms is None else cpu_time_ms / 1000
            self._queue.end(ticket.number, max(used_s, held_s * self._worth))
        self._grant_what_is_free()

    def _park(self, ticket: Ticket) -> None:
        if not ticket.is_beside:
            key, owner = ticket.owner.key, ticket.owner
            of_key, of_user = self._beside[key], self._beside[owner]
            _, for_user = rooms(self._max_parked, self._beside_in_all, of_key, of_user)
            if of_user >= for_user:
                return
            self._count_beside(ticket, 1)
        ticket._let_go()
        self._parked_in_all += 1
        self._grant_what_is_free()

    def _resume(self, ticket: Ticket) -> None:
        ticket._hold()
        self._parked_in_all -= 1
        if self._is_free():
            self._count_beside(ticket, -1)

    def _count_beside(self, ticket: Ticket, change: int) -> None:
        ticket.is_beside = change > 0
        self._beside_in_all += change
        for name in (ticket.owner.key, ticket.owner):
            self._beside[name] += change
            if not self._beside[name]:
                del self._beside[name]

    def _is_free(self) -> bool:
        """Whether there is a place that nobody has."""
        return len(self._granted) - self._beside_in_all < self._max_concurrent

    def _grant_what_is_free(self) -> None:
        while self._is_free() and (number := self._queue.take()) is not None:
            ticket = self._granted[number] = self._waiting.pop(number)
            ticket._grant()
        if (number := self._queue.peek()) is not None:
            self._tell_at(number, 0)
            self._tell_soon()

    def _tell_soon(self) -> None:
        """Tell all who wait where they are, once in an interval, however many come and leave."""
        if self._telling is not None:
            return
        wait_s = self._tell_again_at_s - time.monotonic()
        if wait_s <= 0:
            self._tell_all()
        else:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(wait_s, self._tell_all)

    def _tell_all(self) -> None:
        began_s = time.monotonic()
        upcoming = enumerate(islice(self._queue.upcoming(), MAX_TOLD))
        self._tell_slice(deque(upcoming), time.monotonic() - began_s)

    def _tell_slice(self, left: deque[tuple[int, int]], worked_s: float) -> None:
        """Tell some of them, then whoever else wants the loop has it before the next.

        Who has left meanwhile is told nothing, and who is next has been told already.
        """
        self._telling = None  # whatever becomes of this slice, it is over
        began_s = time.monotonic()
        for _ in range(min(len(left), TOLD_AT_ONCE)):
            position, number = left.popleft()
            if number in self._waiting and (position == 0) == (number == self._queue.peek()):
                self._tell_at(number, position)
        now_s = time.monotonic()
        worked_s += now_s - began_s
        if left:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_soon(self._tell_slice, left, worked_s)
            return
        self._tell_again_at_s = now_s + max(POSITION_INTERVAL_S, _TELLING_SHARE * worked_s)

    def _tell_at(self, number: int, position: int) -> None:
        wait_ms = None
        if self._typical_s is not None:
            wait_ms = math.ceil((position + 1) * self._typical_s * 1000 / self._max_concurrent)
        self._waiting[number]._move(position, wait_ms)
