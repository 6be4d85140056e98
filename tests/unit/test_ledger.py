"""What a day has: sums, reserves, and the law that holds a quota."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.model.caller import Grant, Owner
from vibecell.model.errors import LimitReached
from vibecell.model.limits import HIGHEST
from vibecell.sharing import ledger as ledger_module
from vibecell.sharing.ledger import FIRST_GUESS, NOTHING, Entry, Ledger, Spent, Tally, granted

SHOP, ANN = Owner("shop"), Owner("shop", "ann")
AMOUNTS = st.builds(Spent, st.integers(0, 10**9), st.integers(0, 10**9))


@given(st.lists(AMOUNTS, max_size=20))
def test_a_sum_is_that_of_its_parts_in_whatever_order(amounts: list[Spent]) -> None:
    there, back = NOTHING, NOTHING
    for amount in amounts:
        there = there.plus(amount)
    for amount in reversed(amounts):
        back = amount.plus(back)
    assert there == back
    assert there.cpu_us == sum(amount.cpu_us for amount in amounts)
    assert there.output_bytes == sum(amount.output_bytes for amount in amounts)


def test_no_sum_is_larger_than_what_every_store_holds() -> None:
    full = Spent(HIGHEST, HIGHEST)
    assert full.plus(full) == full


def test_a_thousand_waiting_programs_with_high_limits_do_not_use_up_a_day() -> None:
    """Their limits come to 10,000 s, of a day of 3,600; what such programs take comes to 20."""
    tally, grant = Tally(0, SHOP), Grant(cpu_ms_per_day=3_600_000)
    limits, used = Spent(10_000_000, 1024 * 1024), Spent(20_000, 100)
    for _ in range(50):
        tally.release(tally.reserve(limits, grant))
        tally.learn(used)
    reserves = [tally.reserve(limits, grant) for _ in range(1000)]
    assert all(reserve.cpu_us for reserve in reserves)
    assert tally.reserved.cpu_us < 30_000_000
    for reserve in reserves:
        tally.release(reserve)
    assert tally.reserved == NOTHING and tally.live == 0


def test_no_more_is_reserved_than_the_day_has_and_than_the_limits_allow() -> None:
    grant = Grant(cpu_ms_per_day=150)
    tally = Tally(0, SHOP)
    assert tally.reserve(Spent(10_000, 10), grant) == Spent(10_000, 10)
    assert tally.reserve(Spent(HIGHEST, HIGHEST), grant) == FIRST_GUESS
    assert tally.reserve(Spent(HIGHEST, HIGHEST), grant).cpu_us == 40_000
    assert tally.left_to_begin(grant).cpu_us == 0


class Day:
    """A day of programs that take as much as they may: what waits, what runs, what it comes to."""

    def __init__(self, grant: Grant, limits: Spent, places: int) -> None:
        self.tally = Tally(0, SHOP)
        self._grant, self._limits, self._places = grant, limits, places
        self._waiting: deque[Spent] = deque()
        self._running: list[tuple[Spent, Spent]] = []  # reserve, and what it may take
        self.ran_at_crossing: Spent | None = None

    def admit(self) -> None:
        left = self.tally.left_to_begin(self._grant)
        if left.cpu_us and left.output_bytes:
            self._waiting.append(self.tally.reserve(self._limits, self._grant))

    def begin(self) -> None:
        if self._waiting and len(self._running) < self._places:
            reserve = self._waiting.popleft()
            left = self.tally.left(self._grant)
            if left.cpu_us and left.output_bytes:
                self._running.append((reserve, self._limits.at_most(left)))
            else:
                self.tally.release(reserve)

    def end(self, at: int, thousandths: int) -> None:
        if not self._running:
            return
        reserve, most = self._running[at % len(self._running)]
        used = Spent(most.cpu_us * thousandths // 1000, most.output_bytes * thousandths // 1000)
        before = self.tally.left(self._grant)
        self.tally.charge(used)
        after = self.tally.left(self._grant)
        crossed = not (after.cpu_us and after.output_bytes)
        if before.cpu_us and before.output_bytes and crossed:
            self.ran_at_crossing = NOTHING
            for _, could_take in self._running:
                self.ran_at_crossing = self.ran_at_crossing.plus(could_take)
        del self._running[at % len(self._running)]
        self.tally.release(reserve)
        self.tally.learn(used)

    def end_all(self) -> None:
        while self._waiting or self._running:
            self.begin()
            self.end(0, 1000)


STEPS = st.lists(
    st.one_of(
        st.just(("admit",)),
        st.just(("begin",)),
        st.tuples(st.just("end"), st.integers(0, 7), st.integers(0, 1000)),
    ),
    max_size=200,
)


@given(
    steps=STEPS,
    cpu_ms=st.integers(1, 5_000),
    output_bytes=st.integers(1, 100_000),
    limits=st.builds(Spent, st.integers(1, 10_000_000), st.integers(1, 200_000)),
    places=st.integers(1, 8),
)
def test_a_day_is_overrun_by_no_more_than_what_ran_when_it_was_used_up(
    steps: list[tuple[object, ...]], cpu_ms: int, output_bytes: int, limits: Spent, places: int
) -> None:
    grant = Grant(cpu_ms_per_day=cpu_ms, output_bytes_per_day=output_bytes)
    day = Day(grant, limits, places)
    for name, *arguments in steps:
        getattr(day, str(name))(*arguments)
    day.end_all()
    could = day.ran_at_crossing or NOTHING
    most = granted(grant)
    assert day.tally.spent.cpu_us <= most.cpu_us + could.cpu_us
    assert day.tally.spent.output_bytes <= most.output_bytes + could.output_bytes
    if places == 1:
        assert day.tally.spent.cpu_us <= most.cpu_us
        assert day.tally.spent.output_bytes <= most.output_bytes
    assert day.tally.reserved == NOTHING and day.tally.live == 0


@given(
    st.lists(
        st.tuples(st.sampled_from((SHOP, ANN)), AMOUNTS, st.sampled_from(("written", "failed"))),
        max_size=30,
    )
)
def test_whatever_writes_fail_nothing_is_lost_and_nothing_twice(
    charges: list[tuple[Owner, Spent, str]],
) -> None:
    ledger, stored = Ledger(), dict.fromkeys((SHOP, ANN), NOTHING)
    used = dict(stored)
    for owner, amount, fate in charges:
        ledger.tally(owner, 7).charge(amount)
        used[owner] = used[owner].plus(amount)
        taken = ledger.take_unwritten()
        if fate == "failed":
            ledger.not_written(taken)
        else:
            for entry in taken:
                stored[entry.owner] = stored[entry.owner].plus(entry.spent)
            ledger.written([Entry(7, e.owner, stored[e.owner]) for e in taken])
        for of, sum_ in used.items():
            assert ledger.tally(of, 7).spent == sum_
    for entry in ledger.take_unwritten():
        stored[entry.owner] = stored[entry.owner].plus(entry.spent)
    assert stored == used


def test_what_another_engine_wrote_meanwhile_counts_too() -> None:
    ledger = Ledger([Entry(7, SHOP, Spent(10, 10))])
    ledger.tally(SHOP, 7).charge(Spent(1, 1))
    ledger.take_unwritten()
    ledger.tally(SHOP, 7).charge(Spent(2, 2))  # while it is being written
    ledger.written([Entry(7, SHOP, Spent(111, 11))])
    assert ledger.tally(SHOP, 7).spent == Spent(113, 13)


def test_a_past_day_goes_once_nothing_needs_it() -> None:
    ledger = Ledger([Entry(5, SHOP, Spent(1, 1))])
    waiting = ledger.tally(ANN, 5)
    reserve = waiting.reserve(Spent(1, 1), Grant())
    unwritten = ledger.tally(Owner("other"), 5)
    unwritten.charge(Spent(3, 3))
    ledger.tally(SHOP, 6)
    ledger.forget_before(6)
    assert len(ledger) == 3  # not the first: it is written, and nobody uses it
    waiting.release(reserve)
    ledger.take_unwritten()
    ledger.forget_before(6)
    assert len(ledger) == 1


def test_users_made_up_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MAX_USERS_OF_A_KEY", 3)
    ledger = Ledger([Entry(7, Owner("shop", "known"), NOTHING)])
    for number in range(2):
        ledger.tally(Owner("shop", f"user {number}"), 7)
    with pytest.raises(LimitReached, match="users"):
        ledger.tally(Owner("shop", "one more"), 7)
    ledger.tally(Owner("shop", "known"), 7)
    ledger.tally(SHOP, 7)
    ledger.tally(Owner("other", "one more"), 7)
    ledger.tally(Owner("shop", "one more"), 8)
    ledger.forget_before(8)
    assert len(ledger) == 1
