"""Turns are fair, whatever anybody does: properties of the queue, over made-up histories."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.sharing import fair
from vibecell.sharing.fair import FairQueue

KEYS = ("a", "b", "c", "d")
USERS = ("", "ann", "bob")
COSTS = st.floats(0, 100)
WEIGHTS = st.sampled_from([0.01, 0.5, 1.0, 2.0, 100.0])

ADD = st.tuples(st.just("add"), st.sampled_from(KEYS), st.sampled_from(USERS), WEIGHTS)
TAKE = st.tuples(st.just("take"))
END = st.tuples(st.just("end"), st.integers(0, 50), COSTS)
DROP = st.tuples(st.just("drop"), st.integers(0, 50))
HISTORY = st.lists(st.one_of(ADD, TAKE, END, DROP), max_size=60)
Step = tuple[object, ...]


@dataclass
class Played:
    """A queue and what a history has made of it."""

    queue: FairQueue = field(default_factory=FairQueue)
    waiting: dict[int, tuple[str, str]] = field(default_factory=dict)
    running: dict[int, tuple[str, str]] = field(default_factory=dict)

    def play(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case ("add", str(key), str(user), float(weight)):
                    self.add(key, user, weight)
                case ("take",):
                    self.take()
                case ("end", int(index), float(cost)) if self.running:
                    self.end(index, cost)
                case ("drop", int(index)) if self.waiting:
                    number = list(self.waiting)[index % len(self.waiting)]
                    del self.waiting[number]
                    self.queue.drop(number)

    def add(self, key: str, user: str = "", weight: float = 1.0, priority: int = 0) -> int:
        number = self.queue.add(key, user, weight, priority)
        self.waiting[number] = (key, user)
        return number

    def take(self) -> int | None:
        number = self.queue.take()
        if number is not None:
            self.running[number] = self.waiting.pop(number)
        return number

    def end(self, index: int, cost: float) -> None:
        number = list(self.running)[index % len(self.running)]
        del self.running[number]
        self.queue.end(number, cost)


def turns_before(played: Played, number: int, meanwhile: list[list[Step]]) -> list[tuple[str, str]]:
    """Who has turns before it, while others do what they like between any two turns."""
    before = []
    doing = itertools.chain(meanwhile, itertools.repeat(list[Step]()))
    while True:
        # nobody else takes: a turn is what is counted here
        played.play([step for step in next(doing) if step[0] in ("add", "end")])
        taken = played.take()
        assert taken is not None
        if taken == number:
            return before
        before.append(played.running[taken])


@given(HISTORY, st.lists(HISTORY, max_size=6))
def test_before_a_newcomer_who_waits_has_one_turn_at_most(
    history: list[Step], meanwhile: list[list[Step]]
) -> None:
    played = Played()
    played.play(history)
    waited = {key for key, _ in played.waiting.values()}
    turns = Counter(key for key, _ in turns_before(played, played.add("new"), meanwhile))
    assert set(turns) <= waited
    assert all(count == 1 for count in turns.values())


@given(HISTORY, st.lists(HISTORY, max_size=6))
def test_before_a_new_user_of_a_key_who_waits_there_has_one_turn_at_most(
    history: list[Step], meanwhile: list[list[Step]]
) -> None:
    played = Played()
    played.play(history)
    waited = {user for key, user in played.waiting.values() if key == "a"}
    before = turns_before(played, played.add("a", "new"), meanwhile)
    turns = Counter(user for key, user in before if key == "a")
    assert set(turns) <= waited
    assert all(count == 1 for count in turns.values())


@given(HISTORY)
def test_whoever_waits_has_a_turn_when_there_is_one(history: list[Step]) -> None:
    played = Played()
    played.play(history)
    assert len(played.queue) == len(played.waiting)
    while played.waiting:
        assert played.queue.peek() == played.take()
    assert played.take() is None and played.queue.peek() is None


@given(HISTORY)
def test_what_is_foretold_comes(history: list[Step]) -> None:
    played = Played()
    played.play(history)
    foretold = list(played.queue.upcoming())
    assert foretold == [played.take() for _ in foretold]
    assert not played.waiting


@given(HISTORY)
def test_who_waits_is_counted(history: list[Step]) -> None:
    played = Played()
    played.play(history)
    for key in KEYS:
        mine = [user for owner, user in played.waiting.values() if owner == key]
        assert played.queue.waiting_of(key) == len(mine)
        for user in USERS:
            assert played.queue.waiting_of(key, user) == mine.count(user)


@given(HISTORY, st.lists(st.tuples(st.sampled_from(USERS), st.integers(-10, 10)), max_size=20))
def test_a_user_s_own_come_by_priority_and_then_in_their_order(
    history: list[Step], coming: list[tuple[str, int]]
) -> None:
    played = Played()
    played.play(history)
    wanted: dict[str, list[tuple[int, int]]] = {user: [] for user in USERS}
    for user, priority in coming:
        wanted[user].append((-priority, played.add("mine", user, priority=priority)))
    taken: dict[str, list[int]] = {user: [] for user in USERS}
    while played.waiting:
        number = played.take()
        assert number is not None
        key, user = played.running[number]
        if key == "mine":
            taken[user].append(number)
    assert taken == {user: [n for _, n in sorted(numbers)] for user, numbers in wanted.items()}


def test_priority_moves_nobody_before_another() -> None:
    queue = FairQueue()
    mine, urgent = queue.add("a", "ann"), queue.add("b", "bob", priority=10)
    assert (queue.take(), queue.take()) == (mine, urgent)


@given(HISTORY)
def test_when_nobody_has_anything_to_do_nothing_is_remembered(history: list[Step]) -> None:
    played = Played()
    played.play(history)
    while played.take() is not None:
        pass
    while played.running:
        played.end(0, 1.0)
    assert not played.queue._keys.owners and not played.queue._programs
    assert not played.queue._keys._standing and not played.queue._keys._idle


class Machine:
    """So many places, a clock, and owners who always have something waiting."""

    def __init__(self, places: int, owners: dict[tuple[str, str], float]) -> None:
        self.queue = FairQueue()
        self.places = places
        self.now_s = 0.0
        self.took: Counter[tuple[str, str]] = Counter()
        self._owners = owners
        self._of: dict[int, tuple[str, str]] = {}
        self._running: list[tuple[float, int, float]] = []
        for owner in owners:
            self.add(owner)
            self.add(owner)

    def add(self, owner: tuple[str, str]) -> int:
        number = self.queue.add(*owner, weight=self._owners.get(owner, 1.0))
        self._of[number] = owner
        return number

    def run(self, until_s: float, cost: Callable[[tuple[str, str]], float]) -> None:
        while self.now_s < until_s:
            while len(self._running) < self.places and (number := self.queue.take()) is not None:
                took = cost(self._of[number])
                heapq.heappush(self._running, (self.now_s + took, number, took))
                if self._of[number] in self._owners:
                    self.add(self._of[number])
            assert len(self._running) == self.places  # a free place and a waiting one never
            self.now_s, number, took = heapq.heappop(self._running)
            owner = self._of.pop(number)
            self.took[owner] += took  # type: ignore[assignment]
            self.queue.end(number, took)


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0.1, 3)), min_size=2, max_size=5),
    st.integers(1, 3),
    st.integers(0, 1000),
)
def test_shares_become_those_of_the_weights(
    owners: list[tuple[int, float]], places: int, seed: int
) -> None:
    random = Random(seed)
    of = {(f"key{i}", ""): float(weight) for i, (weight, _) in enumerate(owners)}
    mean_s = {(f"key{i}", ""): mean for i, (_, mean) in enumerate(owners)}
    machine = Machine(places, of)
    machine.run(1000, lambda owner: mean_s[owner] * random.choice([0.1, 1.0, 1.9]))
    whole, weights = sum(machine.took.values()), sum(of.values())
    for owner, weight in of.items():
        assert machine.took[owner] / whole == pytest.approx(weight / weights, abs=0.03)


@settings(max_examples=10)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 1000))
def test_users_of_a_key_have_equal_shares_of_what_is_the_key_s(
    users: int, places: int, seed: int
) -> None:
    random = Random(seed)
    crowd = {("crowd", f"user{i}"): 1.0 for i in range(users)}
    machine = Machine(places, {**crowd, ("single", ""): 1.0})
    machine.run(1000, lambda owner: random.uniform(0.1, 1) * (1 + len(owner[1])))
    whole = sum(machine.took.values())
    assert machine.took["single", ""] / whole == pytest.approx(0.5, abs=0.03)
    for owner in crowd:
        assert machine.took[owner] / whole == pytest.approx(0.5 / users, abs=0.03)


def test_who_was_idle_has_saved_nothing_up() -> None:
    machine = Machine(1, {("always", ""): 1.0})
    machine.run(1000, lambda _: 1.0)
    for _ in range(100):
        machine.add(("late", ""))
    machine.took.clear()
    machine.run(1100, lambda _: 1.0)
    assert abs(machine.took["late", ""] - machine.took["always", ""]) <= 2


def test_who_took_more_than_was_thought_pays_for_it() -> None:
    machine = Machine(1, {("short", ""): 1.0, ("long", ""): 1.0})
    machine.run(1000, lambda owner: 20.0 if owner[0] == "long" else 0.1)
    assert machine.took["short", ""] == pytest.approx(machine.took["long", ""], abs=21)


def test_what_corrections_give_back_is_one_turn_before_a_newcomer_and_no_more() -> None:
    played = Played(FairQueue(first_estimate=10.0))
    for _ in range(9):
        played.add("a")
    for _ in range(4):
        played.take()
    newcomer = played.add("b")
    for _ in range(4):
        played.end(0, 0.0)
    assert newcomer in (played.take(), played.take())


def test_a_flood_of_idle_owners_is_not_remembered_for_ever() -> None:
    queue = FairQueue()
    queue.add("busy", "")
    queue.take()
    for number in range(3 * fair.MAX_IDLE):
        queue.add(f"key{number}", "user")
        taken = queue.take()
        assert taken is not None
        queue.end(taken, 1.0)
    assert len(queue._keys.owners) <= fair.MAX_IDLE + 1
    assert len(queue._keys._idle) <= fair.MAX_IDLE


def test_coming_and_leaving_while_nobody_has_a_turn_leaves_no_heap_of_what_was() -> None:
    queue = FairQueue()
    queue.add("kept", "")
    for number in range(1000):
        queue.drop(queue.add("kept", "", priority=-1))
        queue.drop(queue.add("coming", f"user{number}"))
    most = 2 * 1 + fair.SPARE_ENTRIES + 1
    assert len(queue._keys._standing) <= most
    assert len(queue._keys.owners["kept"].below.owners[""].below.waiting) <= most


def test_who_only_runs_saves_nothing_up() -> None:
    played = Played()
    played.add("patient")
    played.take()
    for _ in range(400):
        played.add("busy")
    for _ in range(300):
        played.take()
        played.end(1, 1.0)
    for _ in range(100):
        played.add("patient")
    taken = [played.take() for _ in range(20)]
    mine = [number for number in taken if played.running[number] == ("patient", "")]  # type: ignore[index]
    assert 9 <= len(mine) <= 11


def test_who_took_more_than_was_thought_pays_before_the_next_turn() -> None:
    played = Played()
    for _ in range(3):
        played.add("long")
        played.add("short")
    played.take()
    played.take()
    played.end(0, 100.0)
    taken = played.take()
    assert taken is not None and played.running[taken] == ("short", "")


def test_a_heavier_key_has_more_turns() -> None:
    played = Played()
    for _ in range(30):
        played.add("light")
        played.add("heavy", weight=2.0)
    foretold = list(itertools.islice(played.queue.upcoming(), 30))
    taken = [played.take() for _ in range(30)]
    assert taken == foretold
    assert Counter(played.running[n][0] for n in taken if n) == {"heavy": 20, "light": 10}


@pytest.mark.parametrize("is_of_one_key", [False, True])
def test_who_is_next_is_found_without_a_look_at_all_who_wait(
    is_of_one_key: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, asked = FairQueue(), 0
    for number in range(2000):
        owner = ("k", f"u{number}") if is_of_one_key else (f"k{number}", "")
        queue.add(*owner)
    is_current = fair._Level._is_current

    def counting(level: Any, *entry: Any) -> bool:
        nonlocal asked
        asked += 1
        return is_current(level, *entry)

    monkeypatch.setattr(fair._Level, "_is_current", counting)
    monkeypatch.setattr(fair._Level, "_standing_now", lambda level: pytest.fail("looks at all"))
    assert list(itertools.islice(queue.upcoming(), 10)) == list(range(1, 11))
    assert 0 < asked <= 40
