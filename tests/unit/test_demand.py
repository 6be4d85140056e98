"""The estimate of demand and the sharing of stock, with the time told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.sandbox.host.demand import HALF_LIFE_S, Demand, IdleBounds

LEVELS = st.lists(st.integers(0, 2000), max_size=8)


def after(arrivals_s: list[float], most: int = 1000) -> Demand:
    demand = Demand(most)
    for at_s in arrivals_s:
        demand.arrived(at_s)
    return demand


def test_nobody_wants_any_before_the_first_comes() -> None:
    assert Demand(10).level(0.0) == Demand(10).level(1e9) == 0


@pytest.mark.parametrize("count", [1, 2, 16, 100])
def test_a_burst_is_known_the_moment_it_comes(count: int) -> None:
    assert after([5.0] * count).level(5.0) == count


def test_a_burst_fades_over_about_a_minute() -> None:
    demand = after([100.0] * 16)
    told = [demand.level(100.0 + age_s) for age_s in (0, 15, 30, 45, 60, 80)]
    assert told == [16, 8, 4, 2, 1, 0]


def test_a_flood_is_forgotten_as_soon_as_what_can_be_kept() -> None:
    flood, burst = after([0.0] * 10_000, most=16), after([0.0] * 16, most=16)
    for age_s in range(0, 90, 5):
        assert flood.level(age_s) == burst.level(age_s)


def test_a_second_burst_holds_the_level_it_is_worth() -> None:
    demand = after([0.0] * 16 + [60.0] * 4)
    assert demand.level(60.0) == 4
    assert demand.level(60.0 + HALF_LIFE_S) == 2


def test_a_smaller_burst_does_not_lower_the_level() -> None:
    demand = after([0.0] * 16 + [5.0])
    assert demand.level(5.0) > 10


def test_a_steady_rate_is_worth_what_comes_in_a_second() -> None:
    demand = after([n / 20 for n in range(20 * 60)])
    assert 18 <= demand.level(60.0) <= 22


def test_seldom_arrivals_are_worth_one_cell() -> None:
    assert after([10.0 * n for n in range(50)]).level(490.0) == 1


def test_a_clock_that_stands_still_or_goes_back_does_no_harm() -> None:
    demand = after([100.0, 50.0, 100.0])
    assert 1 <= demand.level(0.0) <= 3


@given(
    st.lists(st.floats(0, 500), max_size=60).map(sorted),
    st.integers(0, 40),
    st.floats(0, 1000),
)
def test_it_never_tells_more_than_came_or_than_it_may(
    arrivals_s: list[float], most: int, later_s: float
) -> None:
    demand = after(arrivals_s, most)
    end_s = arrivals_s[-1] if arrivals_s else 0.0
    first, second = demand.level(end_s), demand.level(end_s + later_s)
    assert 0 <= second <= first <= min(len(arrivals_s), most)
    assert demand.level(end_s + 300.0) == 0


@given(LEVELS, st.integers(0, 20), st.integers(0, 200))
def test_shares_keep_the_bounds(levels: list[int], least: int, most: int) -> None:
    bounds = IdleBounds(least, most)
    targets = bounds.share(levels)
    assert len(targets) == len(levels)
    assert sum(targets) <= bounds.most(len(levels)) == max(most, least * len(levels))
    for target, level in zip(targets, levels, strict=True):
        assert least <= target <= max(least, level)


@given(LEVELS, st.integers(0, 5))
def test_what_fits_is_granted_whole(levels: list[int], least: int) -> None:
    bounds = IdleBounds(least, sum(levels) + least * len(levels))
    assert bounds.share(levels) == [max(least, level) for level in levels]


def test_too_much_is_cut_in_proportion_and_minima_stay() -> None:
    assert IdleBounds(2, 16).share([100, 0, 50, 2]) == [7, 2, 4, 2]
    assert IdleBounds(4, 4).share([100, 0, 50]) == [4, 4, 4], "the minima come first"
