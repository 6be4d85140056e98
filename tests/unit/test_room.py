"""Places to wait in: one owner never has them all, and who has none finds one."""

from hypothesis import given
from hypothesis import strategies as st

from vibecell.sharing.room import places_for, room


@given(st.integers(0, 10_000))
def test_who_is_alone_has_what_is_said(alone: int) -> None:
    assert room(places_for(alone), 0) == alone


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_whoever_has_none_finds_one_as_long_as_there_is_one(places: int, others: int) -> None:
    assert (room(places, others) >= 1) == (others < places)


@given(st.integers(2, 2000), st.lists(st.integers(0, 7), max_size=3000))
def test_there_is_room_for_many_newcomers_beside_who_takes_all_that_is_given(
    places: int, asking: list[int]
) -> None:
    greedy = [0] * 8
    for owner in asking:
        if greedy[owner] < room(places, sum(greedy) - greedy[owner]):
            greedy[owner] += 1
    owners = sum(1 for held in greedy if held)
    newcomers = 0
    while room(places, sum(greedy) + newcomers):
        newcomers += 1
    assert owners + newcomers >= places // 5


def test_equally_greedy_ones_come_to_have_the_same() -> None:
    first, second = 80, 0
    while second < room(100, first):
        second += 1
    for _ in range(200):  # places come free, and both ask for them, the first ten times as often
        first -= 1
        for _ in range(10):
            first += first < room(100, second)
        second += second < room(100, first)
        second -= 1
        second += second < room(100, first)
    assert abs(first - second) <= 8
