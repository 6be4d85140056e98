"""What callers may have at once and in a day: whose limit it is, which, and when it opens again."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from vibecell.engine import bookkeeping as bookkeeping_module
from vibecell.engine.allowances import Allowances, Claim
from vibecell.engine.bookkeeping import OVERDUE_S, SETTLED_S, Bookkeeping
from vibecell.model.caller import DAY_S, Account, Grant, Owner
from vibecell.model.errors import LimitReached, StoreUnavailable
from vibecell.model.execution import Usage
from vibecell.model.limits import Limits
from vibecell.sharing.ledger import NOTHING, Entry, Ledger, Spent
from vibecell.sharing.memory_ledger import MemoryLedger

SHOP, ANN, BOB = Owner("shop"), Owner("shop", "ann"), Owner("shop", "bob")
LIMITS = Limits(cpu_time_ms=10_000, output_bytes=1_000_000)
BEFORE_MIDNIGHT_S = 7 * DAY_S - 90.5


class Clock:
    def __init__(self, now_s: float = BEFORE_MIDNIGHT_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def allowances(clock: Callable[[], float] | None = None, overdue: bool = False) -> Allowances:
    return Allowances(Ledger(), lambda: 17, lambda: overdue, clock or Clock())


def refused(of: Allowances, account: Account) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        of.claim(account, LIMITS)
    return caught.value


def used_up(claim: Claim, cpu_ms: float | None = 0.0, output_bytes: int = 0) -> None:
    claim.charge(Usage(cpu_time_ms=cpu_ms, output_bytes=output_bytes), LIMITS)
    claim.release()


def test_a_keys_users_have_its_places_together() -> None:
    every = allowances()
    of_ann, of_bob = (Account(who, key_grant=Grant(concurrent=2)) for who in (ANN, BOB))
    first, _ = every.claim(of_ann, LIMITS), every.claim(of_bob, LIMITS)
    for account in (of_ann, of_bob, Account(SHOP, key_grant=Grant(concurrent=2))):
        error = refused(every, account)
        assert "at most 2 executions at once are the key's" in str(error)
        assert error.retry_after_s == 17
    every.claim(Account(Owner("other"), key_grant=Grant(concurrent=2)), LIMITS)
    first.release()
    first.release()
    assert every.live(SHOP) == 1
    every.claim(of_ann, LIMITS)
    refused(every, of_bob)


def test_a_user_has_places_of_his_own() -> None:
    every = allowances()
    of_ann, of_bob = (Account(who, user_grant=Grant(concurrent=1)) for who in (ANN, BOB))
    claim = every.claim(of_ann, LIMITS)
    assert "are the user's" in str(refused(every, of_ann))
    every.claim(of_bob, LIMITS)
    claim.release()
    every.claim(of_ann, LIMITS)


def test_a_users_grant_without_a_user_holds_all_the_same() -> None:
    every = allowances()
    account = Account(SHOP, user_grant=Grant(concurrent=1, cpu_ms_per_day=1000))
    used_up(every.claim(account, LIMITS), cpu_ms=400)
    assert every.live(SHOP) == 0
    claim = every.claim(account, LIMITS)
    refused(every, account)
    used_up(claim, cpu_ms=600)
    assert "the user's processor time" in str(refused(every, account))


@pytest.mark.parametrize(
    ("grant", "cpu_ms", "output_bytes", "named"),
    [
        (Grant(cpu_ms_per_day=1500), 1500, 0, r"processor time of the day \(1.5 s\)"),
        (Grant(output_bytes_per_day=700), 0, 700, r"output of the day \(700 bytes\)"),
    ],
)
def test_a_day_that_is_used_up_is_told_with_whose_it_is_and_when_it_opens_again(
    grant: Grant, cpu_ms: float, output_bytes: int, named: str
) -> None:
    for whose, account in (
        ("key", Account(ANN, key_grant=grant)),
        ("user", Account(ANN, user_grant=grant)),
    ):
        clock = Clock()
        every = allowances(clock)
        used_up(every.claim(account, LIMITS), cpu_ms, output_bytes)
        with pytest.raises(LimitReached, match=f"the {whose}'s {named}.*00:00 UTC") as caught:
            every.claim(account, LIMITS)
        assert caught.value.retry_after_s == 91
        clock.now_s += 90.0
        assert refused(every, account).retry_after_s == 1
        clock.now_s += 1.0
        every.claim(account, LIMITS)


def test_where_the_rest_is_only_reserved_it_may_open_again_soon() -> None:
    every = allowances()
    account = Account(ANN, key_grant=Grant(cpu_ms_per_day=50))
    claim = every.claim(account, LIMITS)
    error = refused(every, account)
    assert "what is left of the key's processor time of the day (0.05 s) is reserved" in str(error)
    assert error.retry_after_s == 17
    used_up(claim, cpu_ms=1.0)
    every.claim(account, LIMITS)


def test_what_another_user_took_is_the_keys_and_not_ones_own() -> None:
    grant = Grant(cpu_ms_per_day=1000)
    every = allowances()
    used_up(every.claim(Account(BOB, user_grant=grant), LIMITS), cpu_ms=1000)
    every.claim(Account(ANN, user_grant=grant), LIMITS).release()
    assert "the key's" in str(refused(every, Account(ANN, key_grant=grant)))


def test_a_program_has_what_is_left_of_the_day_and_no_more() -> None:
    every = allowances()
    account = Account(
        ANN,
        key_grant=Grant(cpu_ms_per_day=5000, output_bytes_per_day=900),
        user_grant=Grant(cpu_ms_per_day=3000),
    )
    used_up(every.claim(account, LIMITS), cpu_ms=1000.2, output_bytes=100)
    claim = every.claim(account, LIMITS)
    cut = claim.limits_now(LIMITS)
    assert (cut.cpu_time_ms, cut.output_bytes) == (2000, 800)
    assert cut.wall_time_ms == LIMITS.wall_time_ms
    assert claim.limits_now(Limits(cpu_time_ms=5, output_bytes=5)) == Limits(
        cpu_time_ms=5, output_bytes=5
    )


def test_who_waited_does_not_begin_once_the_day_is_used_up() -> None:
    every = allowances()
    account = Account(ANN, key_grant=Grant(cpu_ms_per_day=3000))
    running, waiting = every.claim(account, LIMITS), every.claim(account, LIMITS)
    waiting.require_left()
    running.charge(Usage(cpu_time_ms=3000.0), LIMITS)
    for begins in (waiting.require_left, lambda: waiting.limits_now(LIMITS)):
        with pytest.raises(LimitReached, match="the key's processor time"):
            begins()


def test_who_began_yesterday_is_charged_to_yesterday() -> None:
    clock, ledger = Clock(), Ledger()
    every = Allowances(ledger, lambda: 1, clock=clock)
    claim = every.claim(Account(SHOP), LIMITS)
    clock.now_s += 3600
    used_up(claim, cpu_ms=5.0)
    assert ledger.take_unwritten() == [Entry(6, SHOP, Spent(5000, 0))]


def test_where_processor_time_is_not_known_the_time_counts_as_far_as_the_limit() -> None:
    ledger = Ledger()
    every = Allowances(ledger, lambda: 1, clock=Clock())
    for wall_ms in (300.0, 99_000.0):
        claim = every.claim(Account(SHOP), LIMITS)
        claim.charge(Usage(wall_time_ms=wall_ms, cpu_time_ms=None), LIMITS)
        claim.release()
    assert ledger.take_unwritten() == [Entry(6, SHOP, Spent(10_300_000, 0))]


def test_users_without_a_bound_of_their_own_are_not_written_down() -> None:
    ledger = Ledger()
    every = Allowances(ledger, lambda: 1, clock=Clock())
    for number in range(20):
        used_up(every.claim(Account(Owner("shop", f"user {number}")), LIMITS), cpu_ms=1.0)
    assert ledger.take_unwritten() == [Entry(6, SHOP, Spent(20_000, 0))]


def test_a_refused_execution_reserves_nothing_and_has_no_place() -> None:
    ledger = Ledger()
    every = Allowances(ledger, lambda: 1, clock=Clock())
    account = Account(
        ANN, key_grant=Grant(cpu_ms_per_day=9000), user_grant=Grant(output_bytes_per_day=10)
    )
    used_up(every.claim(account, LIMITS), output_bytes=10)
    refused(every, account)
    assert ledger.tally(SHOP, 6).reserved == NOTHING
    assert ledger.tally(SHOP, 6).live == 0
    assert every.live(SHOP) == 0


def test_where_nothing_can_be_written_for_long_a_day_is_not_handed_out() -> None:
    every = allowances(overdue=True)
    for account in (
        Account(ANN, key_grant=Grant(cpu_ms_per_day=9)),
        Account(ANN, user_grant=Grant(output_bytes_per_day=9)),
    ):
        with pytest.raises(StoreUnavailable):
            every.claim(account, LIMITS)
    every.claim(Account(ANN, key_grant=Grant(concurrent=9)), LIMITS)


class BrokenStore(MemoryLedger):
    """A store that fails for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.threads: set[int] = set()
        self.closed = False

    def add(self, entries: Sequence[Entry], forget_before: int) -> list[Entry]:
        self.threads.add(threading.get_ident())
        if self.is_broken:
            raise StoreUnavailable("write the ledger of usage", "the disk is full")
        return super().add(entries, forget_before)

    def close(self) -> None:
        self.closed = True


def test_what_could_not_be_written_is_kept_and_written_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def tried() -> None:
        store, now_s = BrokenStore(), [0.0]
        books = Bookkeeping(store, Clock(), lambda: now_s[0])
        await books.open()
        books.ledger.tally(SHOP, 6).charge(Spent(1, 1))
        store.is_broken = True
        for _ in range(2):
            await books.write()
            now_s[0] += OVERDUE_S / 2
            books.ledger.tally(SHOP, 6).charge(Spent(10, 10))
            assert books.ledger.tally(SHOP, 6).spent.cpu_us % 10 == 1  # quotas are kept
        assert books.is_overdue
        store.is_broken = False
        await books.write()
        assert not books.is_overdue
        assert store.load(0) == [Entry(6, SHOP, Spent(21, 21))]
        await books.close()
        assert threading.get_ident() not in store.threads

    with caplog.at_level(logging.ERROR):
        asyncio.run(tried())
    assert [record.message for record in caplog.records] == [
        "what was used is kept in memory, and written later: "
        "write the ledger of usage: the disk is full"
    ]


def test_what_was_used_is_written_by_itself_and_a_last_time_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bookkeeping_module, "WRITE_INTERVAL_S", 0.01)

    async def tried() -> None:
        store = BrokenStore()
        books = Bookkeeping(store, Clock())
        await books.open()
        books.ledger.tally(SHOP, 6).charge(Spent(1, 1))
        while not store.load(0):
            await asyncio.sleep(0.01)
        monkeypatch.setattr(bookkeeping_module, "WRITE_INTERVAL_S", 1000.0)
        await asyncio.sleep(0.03)
        books.ledger.tally(SHOP, 6).charge(Spent(2, 2))
        await books.close()
        assert store.load(0) == [Entry(6, SHOP, Spent(3, 3))]
        assert store.closed

    asyncio.run(tried())


def test_days_that_are_over_are_deleted_though_nobody_comes() -> None:
    async def tried() -> None:
        store, clock, steady_s = MemoryLedger(), Clock(), [0.0]
        store.add([Entry(day, SHOP, Spent(1, 1)) for day in (5, 6)], 0)
        books = Bookkeeping(store, clock, lambda: steady_s[0])
        await books.open()
        assert books.ledger.tally(SHOP, 6).spent == Spent(1, 1)
        clock.now_s += 2 * DAY_S
        await books.write()
        assert len(store.load(0)) == 2
        steady_s[0] += SETTLED_S
        await books.write()
        assert store.load(0) == []
        assert len(books.ledger) == 0
        await books.close()

    asyncio.run(tried())


@pytest.mark.parametrize("leap_days", [1500, -6])
def test_a_clock_that_is_set_far_away_and_back_costs_nobody_s_sums(leap_days: int) -> None:
    async def tried() -> None:
        store, clock, steady_s = MemoryLedger(), Clock(), [0.0]
        books = Bookkeeping(store, clock, lambda: steady_s[0])
        await books.open()
        for _ in range(3):
            books.ledger.tally(SHOP, 6).charge(Spent(1, 1))
            steady_s[0] += SETTLED_S  # the right day is believed
            await books.write()
            clock.now_s += leap_days * DAY_S
            for _ in range(3):
                there = books.ledger.tally(SHOP, 6 + leap_days)
                there.charge(Spent(1, 1))
                steady_s[0] += SETTLED_S / 4
                await books.write()
                # nor is anything handed out again there
                assert books.ledger.tally(SHOP, 6 + leap_days) is there
            clock.now_s -= leap_days * DAY_S
            await books.write()
        assert books.ledger.tally(SHOP, 6).spent == Spent(3, 3)
        assert Entry(6, SHOP, Spent(3, 3)) in store.load(0)
        await books.close()

    asyncio.run(tried())


def test_a_clock_that_is_wrong_at_the_start_costs_nobody_s_sums() -> None:
    async def tried() -> None:
        store, clock = MemoryLedger(), Clock()
        store.add([Entry(6, SHOP, Spent(1, 1))], 0)
        clock.now_s += 1500 * DAY_S
        books = Bookkeeping(store, clock, lambda: 0.0)
        await books.open()
        await books.write()
        clock.now_s -= 1500 * DAY_S
        books.ledger.tally(SHOP, 6).charge(Spent(2, 2))
        await books.write()
        assert books.ledger.tally(SHOP, 6).spent == Spent(3, 3)
        await books.close()

    asyncio.run(tried())
