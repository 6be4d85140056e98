"""In which order an owner's executions began, however many were forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from vibecell.engine.rolls import Rolls
from vibecell.model.caller import Owner

KEY, ANN, BOB, OTHER = Owner("k"), Owner("k", "ann"), Owner("k", "bob"), Owner("o", "ann")


def names(rolls: Rolls, owner: Owner, before: int = 2**63) -> list[str]:
    return [name for _, name in rolls.newest_first(owner, before) if name is not None]


@given(st.lists(st.tuples(st.sampled_from([KEY, ANN, BOB, OTHER]), st.booleans()), max_size=60))
def test_each_reads_what_began_and_is_not_forgotten(steps: list[tuple[Owner, bool]]) -> None:
    rolls = Rolls()
    there: list[tuple[int, Owner]] = []
    for number, (owner, forgets) in enumerate(steps):
        if forgets and there:
            gone, its = there.pop(number * 7 % len(there))
            rolls.forget(its, gone)
        rolls.add(owner, number, str(number))
        there.append((number, owner))
        for reader in (KEY, ANN, BOB, OTHER):
            mine = sorted((n for n, its in there if reader.owns(its)), reverse=True)
            assert names(rolls, reader) == [str(n) for n in mine]
            assert names(rolls, reader, number // 2) == [str(n) for n in mine if n < number // 2]


def test_gaps_are_never_more_than_what_is_there() -> None:
    rolls = Rolls()
    for number in range(1000):
        rolls.add(ANN, number, str(number))
    for number in range(1, 1000):
        rolls.forget(ANN, number)
        left = list(rolls.newest_first(KEY, 2**63))
        assert len(left) <= 2 * (999 - number + 1)
    rolls.forget(ANN, 0)
    assert len(rolls) == 0
