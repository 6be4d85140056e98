"""Moving windows: exact where that is affordable, never one too many, and small for ever."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from vibecell.gateway.rates import PerMinute, Rates, second_part
from vibecell.gateway.recent_moments import MAX_TOLD_APART, RecentMoments
from vibecell.model.caller import Rate


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def made() -> tuple[Rates, Clock]:
    clock = Clock()
    return Rates(RecentMoments(clock=clock), clock), clock


STEPS = st.lists(st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0, 3.0, 9.999, 10.0]), max_size=120)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(1, 6))
def test_it_lets_through_what_a_moving_window_of_all_moments_would(
    steps: list[float], count: int
) -> None:
    rates, clock = made()
    rate = Rate(count, 10)
    let_in: list[float] = []
    for later_s in steps:
        clock.now_s += later_s
        counts = [moment for moment in let_in if moment > clock.now_s - 10]
        left = rates.left(rate, "a")
        assert left.remaining == count - len(counts)
        assert left.more_in_s == pytest.approx(counts[0] + 10 - clock.now_s if counts else 0.0)
        assert rates.count(rate, "a") == (len(counts) < count)
        if len(counts) < count:
            let_in.append(clock.now_s)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.02, 0.2, 1.0, 9.97])), max_size=12
    )
)
def test_of_a_high_rate_never_one_too_many_comes_through_and_none_waits_long(
    bursts: list[tuple[int, float]],
) -> None:
    clock = Clock()
    window = MovingWindowRateLimiter(RecentMoments(clock=clock))
    item, apart_s = RateLimitItemPerSecond(1000, 10), 10 / MAX_TOLD_APART
    let_in: list[float] = []
    for many, later_s in bursts:
        clock.now_s += later_s
        for _ in range(many):
            if window.hit(item, "a", cost=10):
                let_in.append(clock.now_s)
                assert sum(moment > clock.now_s - 10 for moment in let_in) <= 100
            else:
                # exactly as full, but for moments that ended within what is told apart
                assert sum(moment > clock.now_s - 10 - apart_s for moment in let_in) >= 100


def test_what_is_told_as_one_moment_counts_until_the_last_of_it_is_over() -> None:
    clock = Clock()
    window = MovingWindowRateLimiter(RecentMoments(clock=clock))
    item = RateLimitItemPerSecond(1000, 10)
    assert window.hit(item, "a", cost=1)
    clock.now_s += 0.03
    assert window.hit(item, "a", cost=999)
    clock.now_s += 9.98  # 10.01 s after the first, and 9.98 s after the others
    assert not window.hit(item, "a", cost=2)
    clock.now_s += 0.02
    assert window.hit(item, "a", cost=1000)


def test_whoever_waits_as_long_as_he_is_told_is_let_in() -> None:
    for rate in (Rate(1, 1), Rate(3, 60), Rate(1000, 60), Rate(5, 86_400)):
        rates, clock = made()
        while rates.count(rate, "a"):
            clock.now_s += rate.period_s / rate.count / 7
        clock.now_s += rates.left(rate, "a").more_in_s + 1e-6
        assert rates.count(rate, "a")


def test_a_name_costs_no_more_however_high_its_rate() -> None:
    clock = Clock()
    storage = RecentMoments(clock=clock)
    rates, rate = Rates(storage, clock), Rate(999_999_999, 86_400)
    for _ in range(20_000):
        assert rates.count(rate, "a")
        clock.now_s += 10.0
    (period,) = storage._periods.values()
    moments = period.find("", "LIMITER/a/999999999/86400/second")
    assert moments
    assert len(moments._moments) <= MAX_TOLD_APART + 1
    assert sys.getsizeof(moments._moments) + sys.getsizeof(moments._counts) < 10_000


def test_thousands_of_names_do_not_grow_the_memory() -> None:
    clock = Clock()
    storage = RecentMoments(1000, clock)
    rates = Rates(storage, clock)
    for at in range(20_000):
        rates.count(Rate(1, 60), f"address {at}")
        assert len(storage) <= 1000
    assert rates.left(Rate(1, 60), "address 19999").remaining == 0
    assert rates.left(Rate(1, 60), "address 0").remaining == 1
    clock.now_s += 60
    for at in range(1000):
        rates.count(Rate(1000, 60), f"later {at % 3}")
    assert len(storage) == 3


def test_many_names_of_one_holder_have_no_other_s_forgotten() -> None:
    clock = Clock()
    storage = RecentMoments(100, clock, second_part)
    rates, once = Rates(storage, clock), Rate(1, 60)
    for number in range(10):
        assert rates.count(once, "user", "modest", f"u/{number}")
    for number in range(1000):
        assert rates.count(once, "user", "many", str(number))
        assert len(storage) <= 100
    assert not any(rates.count(once, "user", "modest", f"u/{number}") for number in range(10))
    assert not rates.count(once, "user", "many", "999")
    for number in range(1000):
        assert rates.count(once, "user", "as many", str(number))
    for holder in ("many", "as many"):
        left = [rates.left(once, "user", holder, str(number)) for number in range(1000)]
        assert sum(not each.remaining for each in left) >= 100 // 3
    assert not any(rates.count(once, "user", "modest", f"u/{number}") for number in range(10))
    clock.now_s += 60
    for _ in range(100):
        rates.count(Rate(1000, 60), "user", "later", "u")
    assert len(storage) == 1


def test_who_has_a_rate_of_a_day_keeps_no_others_from_being_forgotten() -> None:
    clock = Clock()
    storage = RecentMoments(clock=clock)
    rates = Rates(storage, clock)
    rates.count(Rate(5, 86_400), "of a day")
    for at in range(5000):
        rates.count(Rate(5, 1), f"of a second {at}")
        clock.now_s += 0.1
    assert len(storage) < 20
    assert rates.left(Rate(5, 86_400), "of a day").remaining == 4


def test_asking_what_is_left_remembers_no_name() -> None:
    storage = RecentMoments()
    rates = Rates(storage, Clock())
    for at in range(100):
        rates.left(Rate(5, 60), str(at))
    assert len(storage) == 0


def test_a_rate_that_changes_is_counted_anew() -> None:
    rates, _ = made()
    assert rates.count(Rate(1, 60), "a")
    assert not rates.count(Rate(1, 60), "a")
    assert rates.count(Rate(2, 60), "a")


class TestPerMinute:
    def test_names_are_forgotten_once_they_are_quiet(self) -> None:
        clock = Clock()
        window = PerMinute(1, 1000, clock)
        for number in range(500):
            window.count(str(number))
        clock.now_s += 60
        assert window.wait_s("0") == 0.0
        for number in range(500):
            window.count(f"other {number}")
        assert window.wait_s("other 0") == 60.0

    def test_no_more_names_are_remembered_than_it_is_told(self) -> None:
        window = PerMinute(2, 2)
        for name in "abcbdb":
            window.count(name)
        window.count("d")
        assert [name for name in "abcd" if window.wait_s(name) > 0] == ["b", "d"]

    def test_what_is_beyond_it_is_not_counted(self) -> None:
        clock = Clock()
        window = PerMinute(1, clock=clock)
        window.count("a")
        clock.now_s += 30
        window.count("a")
        assert window.wait_s("a") == 30.0


class TestAsTheLibraryHasIt:
    """The storage by the library's own strategy, as another storage would be asked."""

    def test_several_at_once_are_all_or_none(self) -> None:
        window = MovingWindowRateLimiter(RecentMoments())
        item = RateLimitItemPerSecond(5, 60)
        assert window.hit(item, "a", cost=3)
        assert not window.hit(item, "a", cost=3)
        assert window.get_window_stats(item, "a").remaining == 2
        assert not window.hit(item, "b", cost=6)

    def test_a_name_can_be_forgotten_and_so_can_all(self) -> None:
        storage = RecentMoments()
        window = MovingWindowRateLimiter(storage)
        item = RateLimitItemPerSecond(1, 60)
        for name in "ab":
            window.hit(item, name)
        window.clear(item, "a")
        assert (window.test(item, "a"), window.test(item, "b")) == (True, False)
        assert storage.reset() == 1
        assert window.test(item, "b")
        assert storage.check()

    def test_fixed_windows_are_refused(self) -> None:
        storage = RecentMoments()
        for call in (lambda: storage.incr("a", 60), lambda: storage.get("a")):
            with pytest.raises(NotImplementedError, match="fixed windows"):
                call()
