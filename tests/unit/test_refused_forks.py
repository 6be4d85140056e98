"""Who gets nowhere after a refused fork, by what can be seen from outside."""

import pytest

from vibecell.sandbox.framed.refused_forks import LOOK_S, PATIENCE_S, ForkWatch, Seen

LOOKS = round(PATIENCE_S / LOOK_S)


def stuck_at(looks: list[Seen]) -> int | None:
    """Which look tells that it is stuck."""
    watch = ForkWatch()
    return next((n for n, seen in enumerate(looks) if watch.is_stuck(seen)), None)


def test_nobody_is_stuck_to_whom_nothing_was_refused() -> None:
    assert stuck_at([Seen(0, 3, 100)] * 100) is None


@pytest.mark.parametrize("before", [0, 1, 7])
def test_silence_after_a_refusal_is_borne_for_so_long(before: int) -> None:
    looks = [Seen(0, 3, 10 * n) for n in range(before)] + [Seen(1, 4, 100)] * 100
    assert stuck_at(looks) == before + 1 + LOOKS


def test_a_complaint_at_once_is_no_sign_of_life() -> None:
    looks = [Seen(1, 4, 0), Seen(1, 4, 300), *[Seen(1, 4, 300)] * 100]
    assert stuck_at(looks) == 1 + LOOKS
    late = [Seen(1, 4, 0), Seen(1, 4, 0), Seen(1, 4, 300), *[Seen(1, 4, 300)] * 100]
    assert stuck_at(late) == 2 + LOOKS


@pytest.mark.parametrize("signs", [[(4, 300), (4, 310)], [(3, 0), (2, 0)], [(3, 0), (3, 10)]])
def test_two_signs_of_life_are_enough_until_the_next_refusal(signs: list[tuple[int, int]]) -> None:
    silent = [Seen(1, 4, 0)] * LOOKS
    alive = [Seen(1, *sign) for sign in signs for _ in range(LOOKS - 1)]
    last = signs[-1]
    assert stuck_at(silent + alive + [Seen(1, *last)] * 100) is None
    again = silent + alive + [Seen(2, *last)] * 100
    assert stuck_at(again) == len(silent + alive) + 1 + LOOKS


def test_who_is_refused_again_and_again_and_does_nothing_else_is_stuck() -> None:
    assert stuck_at([Seen(n, 64, 0) for n in range(1, 100)]) == 1 + LOOKS
