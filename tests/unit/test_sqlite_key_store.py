"""A file of keys that is damaged, locked, full, gone or another's is never an empty one."""

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibecell.model.errors import StoreUnavailable
from vibecell.sharing.keys import HashedSecret, Key, KeyRecord
from vibecell.sharing.sqlite_key_store import FORM, SqliteKeyStore, make_key_file

RECORD = KeyRecord(Key("plain", "plain"), (HashedSecret(bytes(32), "one"),))
OTHER = KeyRecord(Key("other", "other"), (HashedSecret(bytes(32), "one"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "k #?%.sqlite3"
    make_key_file(path)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteKeyStore]:
    store = SqliteKeyStore(path, write_patience_s=0.1)
    store.add(RECORD)
    yield store
    store.close()


def overwrite(path: Path, data: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE keys (number, id, record)")
        connection.execute(f"PRAGMA user_version={FORM}")


def of_the_future(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={FORM + 1}")


def without_its_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE keys")


def with_a_record_of_no_sense(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("""UPDATE keys SET record = '{"key":{"id":"plain"}}'""")


def with_a_weight_that_none_may_have(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("""UPDATE keys SET record = replace(record, ':1.0', ':-1.0')""")


@pytest.mark.parametrize("is_open", [False, True], ids=["at the start", "while it is open"])
@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        cut,
        foreign,
        of_the_future,
        without_its_table,
        with_a_record_of_no_sense,
        with_a_weight_that_none_may_have,
        lambda path: overwrite(path, os.urandom(4096)),
        lambda path: overwrite(path, b"\xff" * 4096, at=4096),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_what_is_damaged_is_refused(
    store: SqliteKeyStore, path: Path, damage: Callable[[Path], object], is_open: bool
) -> None:
    if not is_open:
        store.close()
    else:
        with contextlib.closing(
            sqlite3.connect(path)
        ) as connection:  # all of it in the file itself
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(path)
    with pytest.raises(StoreUnavailable, match="k #"):
        store.version()
        store.records()
    with pytest.raises(StoreUnavailable):
        store.add(OTHER)
        store.records()


def test_a_file_that_is_back_is_read_again(store: SqliteKeyStore, path: Path) -> None:
    store.close()
    away = path.rename(path.with_name("away"))
    with pytest.raises(StoreUnavailable):
        store.records()
    away.rename(path)
    assert store.records() == (RECORD,)


def test_who_holds_the_file_alone_makes_it_unavailable(store: SqliteKeyStore, path: Path) -> None:
    store.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.version()
    assert store.records() == (RECORD,)


def test_who_writes_for_long_holds_up_no_reader(store: SqliteKeyStore, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        # who has to wait is told in the end that it is locked
        assert store.records() == (RECORD,) and store.version() == store.version()
        for write in (store.require_writable, lambda: store.revoke("plain", 1.0)):
            with pytest.raises(StoreUnavailable, match="locked"):
                write()
    store.require_writable()


def test_a_file_that_cannot_be_written_is_read_and_said_so(
    store: SqliteKeyStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    # as root no mode keeps us from writing
    monkeypatch.setattr("vibecell.sharing.sqlite_key_store._OPENED", "ro")
    assert store.records() == (RECORD,)
    with pytest.raises(StoreUnavailable, match="readonly"):
        store.require_writable()
    with pytest.raises(StoreUnavailable, match="readonly"):
        store.add(OTHER)
    assert store.records() == (RECORD,)


def test_a_new_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_key_file(tmp_path / "made")
    finally:
        os.umask(before)
    store = SqliteKeyStore(tmp_path / "made")
    store.add(RECORD)
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert names == {"made": 0o600, "made-wal": 0o600, "made-shm": 0o600}


def test_a_file_that_is_there_is_not_made_again(path: Path, store: SqliteKeyStore) -> None:
    make_key_file(path)
    assert store.records() == (RECORD,)
    assert {p.name.removeprefix(path.name) for p in path.parent.iterdir()} <= {"", "-wal", "-shm"}


def test_where_none_can_be_made_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="make the store of keys"):
        make_key_file(tmp_path / "nowhere" / "keys")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from vibecell.sharing.keys import HashedSecret, Key, KeyRecord
from vibecell.sharing.sqlite_key_store import SqliteKeyStore

store = SqliteKeyStore(Path(sys.argv[1]))
for number in range(20):
    store.add(KeyRecord(Key(f"key{number}", "x"), (HashedSecret(bytes(32), "one"),)))
    print(number, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_was_said_to_be_kept_outlives_who_kept_it(path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert done.returncode == -9
    store = SqliteKeyStore(path)
    kept = [record.key.id for record in store.records()]
    store.close()
    assert kept == [f"key{number}" for number in done.stdout.decode().split()]
