"""Whose turn it is: start-time fair queueing over keys by weight, then over a key's users alike.

Owns tags and turns. Refuses to know the time, what waits, or where it runs: whoever calls says
what something has cost, and in what unit. All of it is numbers, tables and heaps, so that a
script in a store can do the same.

Theory of operation. Each owner has a *tag*; of those that wait the smallest is next, and the
virtual time is then that tag. A turn adds its cost, divided by the owner's weight, to the tag:
first an estimate (the owner's recent mean), corrected when what it really took is known. An owner
that comes after it had nothing waiting enters at the virtual time, if its tag is behind that:
idleness saves nothing up. Of equal tags the one is next that has waited longest since its turn.

The bound. An owner *stands* at its tag, but never before the virtual time; so who waits stands
at it or after it, and whoever enters stands before all but those at the very same tag, each of
which has one turn before it: after a turn it stands behind, whatever a correction gives back. What
a correction gives back beyond the virtual time is not lost: the tag has it, as long as its owner
waits. So shares become those of the weights, and nobody overtakes a newcomer for it.

Source: P. Goyal, H. M. Vin, H. Cheng, Start-time Fair Queuing, SIGCOMM 1996
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

#: Owners that have nothing to do are remembered while their tags are ahead, but no more of them.
MAX_IDLE = 1024
#: Entries of heaps that say nothing any more and are put up with, beside as many as say something.
SPARE_ENTRIES = 32
SMOOTHING = 0.2
BEHIND_EVERY_TURN = 1 << 62


Below = TypeVar("Below")
Stand = tuple[float, int]
Entry = TypeVar("Entry", tuple[Stand, str], tuple[int, int])


@dataclass(slots=True)
class _Owner(Generic[Below]):
    """A key or a user; ``stand``: its tag or the virtual time, and the number of its last turn."""

    below: Below
    weight: float
    tag: float
    mean: float | None = None
    stand: Stand = (0.0, 0)
    waiting: int = 0
    running: int = 0


class _Level(Generic[Below]):
    """Owners beside each other, and whose turn it is among them.

    Args:
        make_below: what belongs to a new one.
    """

    def __init__(self, make_below: Callable[[], Below]) -> None:
        self._make_below = make_below
        self.owners: dict[str, _Owner[Below]] = {}
        self._virtual = 0.0
        self._turns = self._busy = self._owners_waiting = 0
        self._standing: list[tuple[Stand, str]] = []
        self._idle: list[tuple[float, str]] = []

    def enter(self, name: str, weight: float) -> _Owner[Below]:
        """One more of its programs waits."""
        owner = self.owners.get(name)
        if owner is None:
            owner = self.owners[name] = _Owner(self._make_below(), weight, self._virtual)
        owner.weight = weight
        owner.waiting += 1
        self._busy += 1
        if owner.waiting == 1:
            self._owners_waiting += 1
            owner.tag = max(owner.tag, self._virtual)
            self._stand_last(name, owner)
        return owner

    def next(self) -> str:
        """Whose turn it is; somebody waits."""
        while not self._is_current(*self._standing[0]):
            heapq.heappop(self._standing)
        return self._standing[0][1]

    def serve(self, name: str, cost: float) -> None:
        """It has its turn, at this cost."""
        owner = self.owners[name]
        self._virtual = owner.stand[0]
        owner.tag += cost / owner.weight
        owner.running += 1
        owner.waiting -= 1
        if owner.waiting:
            self._stand_last(name, owner)
        else:
            self._owners_waiting -= 1
        self._forget_who_is_behind()

    def leave(self, name: str) -> None:
        """One of its programs waits no more, and had no turn."""
        owner = self.owners[name]
        owner.waiting -= 1
        if not owner.waiting:
            self._owners_waiting -= 1
        self._settle(name, owner)

    def end(self, name: str, cost: float, estimate: float) -> None:
        """What had a turn has ended, and this is what it took."""
        owner = self.owners[name]
        owner.running -= 1
        owner.tag += (cost - estimate) / owner.weight
        owner.mean = smoothed(owner.mean, cost)
        if owner.waiting:
            self._stand(name, owner, owner.stand[1])
        self._settle(name, owner)

    def in_order(self) -> Iterator[tuple[Stand, str]]:
        """Who waits, by whose turn it is; nothing may change meanwhile."""
        told = set()
        for stand, name in _sorted_heap(self._standing):
            if name not in told and self._is_current(stand, name):
                told.add(name)
                yield stand, name

    def _standing_now(self) -> list[tuple[Stand, str]]:
        """A heap of who waits, without entries that say nothing any more."""
        found = [(owner.stand, name) for name, owner in self.owners.items() if owner.waiting]
        heapq.heapify(found)
        return found

    def _stand_last(self, name: str, owner: _Owner[Below]) -> None:
        self._turns += 1
        self._stand(name, owner, self._turns)

    def _stand(self, name: str, owner: _Owner[Below], turn: int) -> None:
        stand = (max(owner.tag, self._virtual), turn)
        if stand == owner.stand:
            return
        owner.stand = stand
        heapq.heappush(self._standing, (stand, name))
        if len(self._standing) > 2 * self._owners_waiting + SPARE_ENTRIES:
            self._standing = self._standing_now()

    def _is_current(self, stand: Stand, name: str) -> bool:
        owner = self.owners.get(name)
        return owner is not None and owner.waiting > 0 and owner.stand == stand

    def _settle(self, name: str, owner: _Owner[Below]) -> None:
        """All are forgotten once nobody has anything to do; before that who is idle and behind."""
        self._busy -= 1
        if not self._busy:
            self.owners.clear()
            self._standing.clear()
            self._idle.clear()
            self._virtual = 0.0
        elif not owner.waiting and not owner.running:
            heapq.heappush(self._idle, (owner.tag, name))
            self._forget_who_is_behind()

    def _forget_who_is_behind(self) -> None:
        while self._idle and (self._idle[0][0] <= self._virtual or len(self._idle) > MAX_IDLE):
            tag, name = heapq.heappop(self._idle)
            owner = self.owners.get(name)
            if owner and not owner.waiting and not owner.running and owner.tag == tag:
                del self.owners[name]


class _Programs:
    """The programs of one user that wait: a heap by priority, then by their coming."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int]] = []


def _users() -> "_Level[_Programs]":
    return _Level(_Programs)


@dataclass(slots=True)
class _Program:
    key: str
    user: str
    estimate: float | None = None  # what its turn was charged; None while it waits


class FairQueue:
    """Programs that wait, each of a user of a key, and what those that run were charged.

    A program is known by the number it was given. Every call takes time that grows with the
    logarithm of who waits, but for ``upcoming``.

    Args:
        first_estimate: what a turn costs, as long as nothing is known of anybody's.
    """

    def __init__(self, first_estimate: float = 1.0) -> None:
        self._first_estimate = first_estimate
        self._mean: float | None = None
        self._keys: _Level[_Level[_Programs]] = _Level(_users)
        self._programs: dict[int, _Program] = {}
        self._arrivals = self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def waiting_of(self, key: str, user: str | None = None) -> int:
        """How many wait of a key, or of one of its users."""
        owner = self._keys.owners.get(key)
        if owner is None or user is None:
            return owner.waiting if owner else 0
        below = owner.below.owners.get(user)
        return below.waiting if below else 0

    def add(self, key: str, user: str, weight: float = 1.0, priority: int = 0) -> int:
        """One more waits; its number.

        Args:
            key: id of its key.
            user: that key's; ``""`` where it is the key's own.
            weight: of the key from now on.
            priority: the highest goes first, among that user's alone.
        """
        self._arrivals += 1
        number = self._arrivals
        self._programs[number] = _Program(key, user)
        self._waiting += 1
        programs = self._keys.enter(key, weight).below.enter(user, 1.0)
        heap = programs.below.waiting
        if len(heap) > 2 * programs.waiting + SPARE_ENTRIES:
            heap[:] = [entry for entry in heap if self._waits(entry[1])]
            heapq.heapify(heap)
        heapq.heappush(heap, (-priority, number))
        return number

    def take(self) -> int | None:
        """Whose turn it is, and it has it; ``None``: nobody waits."""
        if not self._waiting:
            return None
        key, user, heap = self._next()
        number = heapq.heappop(heap)[1]
        estimate = self._estimate(key, user)
        self._keys.owners[key].below.serve(user, estimate)
        self._keys.serve(key, estimate)
        self._programs[number].estimate = estimate
        self._waiting -= 1
        return number

    def peek(self) -> int | None:
        """Whose turn it is."""
        return self._next()[2][0][1] if self._waiting else None

    def drop(self, number: int) -> None:
        """It waits no more, and had no turn."""
        program = self._programs.pop(number)
        self._waiting -= 1
        self._keys.owners[program.key].below.leave(program.user)
        self._keys.leave(program.key)

    def end(self, number: int, cost: float) -> None:
        """It had its turn, and this is what it really took."""
        program = self._programs.pop(number)
        estimate = program.estimate
        assert estimate is not None
        self._mean = smoothed(self._mean, cost)
        self._keys.owners[program.key].below.end(program.user, cost, estimate)
        self._keys.end(program.key, cost, estimate)

    def upcoming(self) -> Iterator[int]:
        """Who waits, in the order of their turns if nobody else comes and estimates are right.

        What it takes grows with who is asked for, not with who waits. Nothing may change meanwhile.
        """
        for number, _ in _in_turn(self._keys, self._users_in_turn):
            yield number

    def _users_in_turn(self, key: str) -> Iterator[tuple[int, float]]:
        users = self._keys.owners[key].below

        def programs(user: str) -> Iterator[tuple[int, float]]:
            estimate = self._estimate(key, user)
            for _, number in _sorted_heap(users.owners[user].below.waiting):
                if self._waits(number):
                    yield number, estimate

        return _in_turn(users, programs)

    def _next(self) -> tuple[str, str, list[tuple[int, int]]]:
        """Whose turn it is, and that user's heap, the next program on top; somebody waits."""
        key = self._keys.next()
        users = self._keys.owners[key].below
        user = users.next()
        heap = users.owners[user].below.waiting
        while not self._waits(heap[0][1]):
            heapq.heappop(heap)
        return key, user, heap

    def _waits(self, number: int) -> bool:
        program = self._programs.get(number)
        return program is not None and program.estimate is None

    def _estimate(self, key: str, user: str) -> float:
        owner = self._keys.owners[key]
        means = (owner.below.owners[user].mean, owner.mean, self._mean)
        return next((mean for mean in means if mean is not None), self._first_estimate)


def _in_turn(
    level: _Level[Below], programs_of: Callable[[str], Iterator[tuple[int, float]]]
) -> Iterator[tuple[int, float]]:
    """Programs with their costs, in the order in which owners of this level have their turns.

    Owners are looked at as their turns come: of very many, few have to be.
    """
    newcomers = level.in_order()
    newcomer = next(newcomers, None)
    again: list[tuple[Stand, str]] = []  # who have had a turn here
    programs: dict[str, Iterator[tuple[int, float]]] = {}
    tags: dict[str, float] = {}
    turn = BEHIND_EVERY_TURN
    while newcomer is not None or again:
        if newcomer is not None and not (again and again[0] < newcomer):
            (tag, _), name = newcomer
            newcomer = next(newcomers, None)
            programs[name], tags[name] = programs_of(name), level.owners[name].tag
        else:
            (tag, _), name = heapq.heappop(again)
        program = next(programs[name], None)
        if program is None:
            continue
        yield program
        tags[name] += program[1] / level.owners[name].weight
        turn += 1
        heapq.heappush(again, ((max(tags[name], tag), turn), name))


def _sorted_heap(heap: list[Entry]) -> Iterator[Entry]:
    """Entries of a heap, the smallest first; it stays as it is, and must while this goes on."""
    front = [(heap[0], 0)] if heap else []
    while front:
        entry, at = heapq.heappop(front)
        yield entry
        for below in (2 * at + 1, 2 * at + 2):
            if below < len(heap):
                heapq.heappush(front, (heap[below], below))


def smoothed(mean: float | None, value: float) -> float:
    """An exponential mean with one value more."""
    return value if mean is None else mean + SMOOTHING * (value - mean)
