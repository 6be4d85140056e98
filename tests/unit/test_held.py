"""Places of a key: its many users have no more than it, and no one user has all of them."""

from hypothesis import given
from hypothesis import strategies as st

from vibecell.model.caller import Owner
from vibecell.sharing.held import Held

KEY, OTHER = Owner("k"), Owner("other")


def filled(held: Held, most: int, *owners: Owner) -> int:
    """How many places these take, one after the other, until none of them finds one."""
    before, taken = -1, 0
    while taken > before:
        before = taken
        for owner in owners:
            if held.full_for(owner, most) is None:
                held.add(owner)
                taken += 1
    return taken


def test_users_without_end_have_no_more_places_than_their_key() -> None:
    held = Held()
    assert filled(held, 50, *(Owner("k", f"u{number}") for number in range(1000))) == 50
    assert held[KEY] == held.total == 50
    assert held.full_for(Owner("k", "one more"), 50) == "key"
    assert held.full_for(KEY, 50) == "key"
    assert filled(held, 50, OTHER) == 50


def test_a_user_who_takes_all_that_he_gets_leaves_room_for_others_of_his_key() -> None:
    held, greedy = Held(), Owner("k", "greedy")
    assert filled(held, 50, greedy) == 40
    assert held.full_for(greedy, 50) == "user"
    assert filled(held, 50, Owner("k", "ann")) == 8
    assert filled(held, 50, Owner("k", "bob")) == 1
    assert held.full_for(KEY, 50) is None


def test_a_key_that_has_no_users_has_all_places_itself() -> None:
    assert filled(Held(), 50, KEY) == 50


def test_the_first_user_finds_a_place_even_if_there_is_one_alone() -> None:
    assert filled(Held(), 1, Owner("k", "ann")) == 1


@given(st.lists(st.sampled_from([KEY, Owner("k", "ann"), Owner("k", "bob"), OTHER])))
def test_whoever_holds_nothing_any_more_is_forgotten(owners: list[Owner]) -> None:
    held = Held()
    for owner in owners:
        held.add(owner)
    assert held[KEY] + held[OTHER] == held.total == len(owners)
    for owner in owners:
        held.remove(owner)
    assert len(held) == 0
