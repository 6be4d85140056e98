"""What every store of keys promises, tried on each: laws in sharing/key_store.py."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from vibecell.model.caller import SCOPES, Grant, Rate
from vibecell.model.errors import Conflict
from vibecell.sharing.key_store import KeyStore, UnknownKey
from vibecell.sharing.keys import HashedSecret, Key, KeyRecord
from vibecell.sharing.memory_key_store import MemoryKeyStore
from vibecell.sharing.sqlite_key_store import SqliteKeyStore, make_key_file

FULL = KeyRecord(
    Key(
        "abc123",
        "my shop ✓",
        frozenset(SCOPES),
        Grant(Rate(60, 60), 8, 9, 3_600_000, 2**40),
        2.5,
        ("https://shop.example", "http://localhost:81"),
        1_000.25,
        2_000.5,
        None,
    ),
    (HashedSecret(bytes(range(32)), "one"), HashedSecret(b"\xff" * 32, "two", 1_500.0)),
    1_100.0,
)
PLAIN = KeyRecord(Key("plain", "plain"), (HashedSecret(bytes(32), "one"),))


class Opened:
    """A store, and the same as another process has it."""

    def __init__(self, open_store: Callable[[], KeyStore]) -> None:
        self._open = open_store
        self.store = open_store()

    def elsewhere(self) -> KeyStore:
        return self._open()


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    if request.param == "memory":
        only = MemoryKeyStore()
        yield Opened(lambda: only)
        return
    path = tmp_path / "keys.sqlite3"
    make_key_file(path)
    made = []

    def open_store() -> KeyStore:
        made.append(SqliteKeyStore(path))
        return made[-1]

    yield Opened(open_store)
    for store in made:
        store.close()


def test_a_key_is_kept_with_all_that_it_has(opened: Opened) -> None:
    opened.store.add(FULL)
    opened.store.add(PLAIN)
    assert opened.store.records() == opened.elsewhere().records() == (FULL, PLAIN)


def test_a_new_store_has_none(opened: Opened) -> None:
    assert opened.store.records() == ()


def test_an_id_is_given_once(opened: Opened) -> None:
    opened.store.add(PLAIN)
    with pytest.raises(Conflict):
        opened.elsewhere().add(replace(FULL, key=replace(FULL.key, id="plain")))
    assert opened.store.records() == (PLAIN,)


def test_a_key_is_revoked_once_and_stays(opened: Opened) -> None:
    opened.store.add(FULL)
    opened.store.revoke("abc123", 1_200.0)
    opened.elsewhere().revoke("abc123", 1_300.0)
    (record,) = opened.store.records()
    assert record == replace(FULL, key=replace(FULL.key, revoked_at=1_200.0))


def test_hashes_are_replaced_by_who_knows_the_old_ones(opened: Opened) -> None:
    opened.store.add(FULL)
    new = (HashedSecret(b"n" * 32, "new"), *FULL.hashes)
    opened.store.replace_hashes("abc123", FULL.hashes, new)
    with pytest.raises(Conflict):
        opened.elsewhere().replace_hashes("abc123", FULL.hashes, ())
    (record,) = opened.elsewhere().records()
    assert record == replace(FULL, hashes=new)


def test_the_last_use_is_the_latest_one(opened: Opened) -> None:
    opened.store.add(PLAIN)
    opened.store.note_uses({"plain": 20.0, "nobody": 30.0})
    opened.elsewhere().note_uses({"plain": 10.0})
    assert opened.store.records() == (replace(PLAIN, last_used_at=20.0),)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.revoke("nobody", 1.0),
        lambda store: store.replace_hashes("nobody", (), ()),
    ],
)
def test_what_is_not_there_is_said_so(opened: Opened, ask: Callable[[KeyStore], None]) -> None:
    opened.store.add(PLAIN)
    before = opened.store.version()
    with pytest.raises(UnknownKey):
        ask(opened.elsewhere())
    assert opened.store.records() == (PLAIN,)
    assert opened.store.version() == before


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_every_change_is_noticed_and_nothing_else(opened: Opened, where: str) -> None:
    writer = opened.store if where == "here" else opened.elsewhere()
    with closing(writer):
        seen = opened.store.version()
        assert opened.store.version() == seen
        for change in (
            lambda: writer.add(FULL),
            lambda: writer.revoke("abc123", 1.0),
            lambda: writer.replace_hashes("abc123", FULL.hashes, FULL.hashes[:1]),
            lambda: writer.note_uses({"abc123": 5_000.0}),
        ):
            change()
            assert opened.store.version() != seen
            opened.store.records()
            seen = opened.store.version()
            assert opened.store.version() == seen
