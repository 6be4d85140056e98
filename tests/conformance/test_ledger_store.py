"""What every ledger of usage promises, tried on each: laws in sharing/ledger.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.model.caller import Owner
from vibecell.model.limits import HIGHEST
from vibecell.sharing.ledger import Entry, LedgerStore, Spent
from vibecell.sharing.memory_ledger import MemoryLedger
from vibecell.sharing.sqlite_ledger import SqliteLedger

SHOP, ANN = Owner("shop"), Owner("shop", "ann")
ODD = Owner("shop", "'; DROP TABLE used; --  ünï\u202ecode")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerStore]:
    made: LedgerStore = (
        MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "usage")
    )
    made.open()
    yield made
    made.close()


def test_amounts_add_up_by_day_and_owner(store: LedgerStore) -> None:
    store.add([Entry(7, SHOP, Spent(1, 2)), Entry(7, ANN, Spent(10, 20))], 0)
    sums = store.add([Entry(7, SHOP, Spent(3, 4)), Entry(8, SHOP, Spent(5, 6))], 0)
    assert sums == [Entry(7, SHOP, Spent(4, 6)), Entry(8, SHOP, Spent(5, 6))]
    assert sorted(store.load(0), key=repr) == sorted(
        [*sums, Entry(7, ANN, Spent(10, 20))], key=repr
    )
    assert store.load(8) == [Entry(8, SHOP, Spent(5, 6))]


def test_days_before_one_are_forgotten(store: LedgerStore) -> None:
    store.add([Entry(day, SHOP, Spent(1, 1)) for day in range(5)], 0)
    store.add([], 3)
    assert sorted(entry.day for entry in store.load(0)) == [3, 4]


def test_a_user_may_have_any_name(store: LedgerStore) -> None:
    store.add([Entry(7, ODD, Spent(1, 1)), Entry(7, SHOP, Spent(2, 2))], 0)
    assert set(store.load(7)) == {Entry(7, ODD, Spent(1, 1)), Entry(7, SHOP, Spent(2, 2))}


def test_a_sum_has_an_upper_end(store: LedgerStore) -> None:
    full = Entry(7, SHOP, Spent(HIGHEST, HIGHEST))
    store.add([full], 0)
    assert store.add([full], 0) == [full]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from((SHOP, ANN)), st.integers(0, 99))))
def test_both_stores_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, added: list[tuple[int, Owner, int]]
) -> None:
    memory, file = MemoryLedger(), SqliteLedger(tmp_path_factory.mktemp("both") / "usage")
    file.open()
    try:
        for day, owner, amount in added:
            entries = [Entry(day, owner, Spent(amount, 2 * amount))]
            assert memory.add(entries, 1) == file.add(entries, 1)
        assert set(memory.load(0)) == set(file.load(0))
    finally:
        file.close()
