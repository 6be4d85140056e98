"""The ledger of usage as a file: who may have it, and what may be wrong with it."""

import sqlite3
import stat
import tempfile
from pathlib import Path

import pytest

from unit.as_nobody import as_nobody, give_to_nobody
from vibecell.model.caller import Owner
from vibecell.model.errors import StoreUnavailable
from vibecell.sharing import sqlite_ledger
from vibecell.sharing.ledger import NOTHING, Entry, Spent
from vibecell.sharing.sqlite_ledger import FILE_NAME, SqliteLedger

SHOP, ANN = Owner("shop"), Owner("shop", "ann")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "usage"


def opened(folder: Path) -> SqliteLedger:
    store = SqliteLedger(folder)
    store.open()
    return store


def test_a_new_engine_knows_what_the_last_one_wrote(folder: Path) -> None:
    before = opened(folder)
    before.add([Entry(7, ANN, Spent(1, 2))], 0)
    after = opened(folder)  # the other was killed: it has closed nothing
    assert after.load(7) == [Entry(7, ANN, Spent(1, 2))]
    before.close()
    after.close()


def test_two_engines_with_one_file_add_to_the_same_sum(folder: Path) -> None:
    one, other = opened(folder), opened(folder)
    one.add([Entry(7, SHOP, Spent(1, 1))], 0)
    assert other.add([Entry(7, SHOP, Spent(2, 2))], 0) == [Entry(7, SHOP, Spent(3, 3))]
    assert one.add([Entry(7, SHOP, NOTHING)], 0) == [Entry(7, SHOP, Spent(3, 3))]
    one.close()
    other.close()


def test_nobody_else_may_look_into_it(folder: Path) -> None:
    store = opened(folder)
    store.add([Entry(7, ANN, Spent(1, 1))], 0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    store.close()


def test_a_directory_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(StoreUnavailable, match="mode 0700"):
        opened(folder)


def test_a_link_to_a_directory_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    with pytest.raises(StoreUnavailable):
        opened(folder)
    assert not list(elsewhere.iterdir())


def test_a_link_in_place_of_the_file_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable):
        opened(folder)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("damaged", ["head", "table", "no database"])
def test_a_damaged_file_is_refused_and_left_as_it_is(folder: Path, damaged: str) -> None:
    store = opened(folder)
    store.add([Entry(day, SHOP, Spent(1, 1)) for day in range(500)], 0)
    store.close()
    path = folder / FILE_NAME
    data = bytearray(path.read_bytes())
    if damaged == "head":
        data[:64] = b"\xff" * 64
    elif damaged == "table":
        data[4096 + 8 :] = b"\xff" * (len(data) - 4096 - 8)
    else:
        data[:] = b"these are notes of somebody's, and no database at all\n" * 100
    path.write_bytes(data)
    with pytest.raises(StoreUnavailable, match="ledger of usage"):
        opened(folder)
    assert path.read_bytes() == data


def test_a_file_of_a_newer_version_is_refused(folder: Path) -> None:
    opened(folder).close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreUnavailable, match="another version"):
        opened(folder)


def test_a_file_that_cannot_be_written_is_refused() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "usage"
        opened(folder).close()
        (folder / FILE_NAME).chmod(0o400)
        give_to_nobody(Path(made), folder, folder / FILE_NAME)
        assert as_nobody(lambda: _refusal(folder)) == "ledger of usage"


def _refusal(folder: Path) -> str:
    try:
        opened(folder)
    except StoreUnavailable as error:
        return "ledger of usage" if "ledger of usage: [Errno 13]" in str(error) else str(error)
    return "opened"


def test_a_locked_file_is_not_written_and_can_be_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "BUSY_S", 0.05)
    store = opened(folder)
    with sqlite3.connect(folder / FILE_NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.add([Entry(7, SHOP, Spent(1, 1))], 0)
        with pytest.raises(StoreUnavailable, match="locked"):
            opened(folder)
        other.execute("ROLLBACK")
    other.close()
    assert store.add([Entry(7, SHOP, Spent(1, 1))], 0) == [Entry(7, SHOP, Spent(1, 1))]
    store.close()


def test_a_full_disk_adds_nothing_and_leaves_the_sums(folder: Path) -> None:
    store = opened(folder)
    store.add([Entry(7, SHOP, Spent(1, 1))], 0)
    with store._file.using("fill") as connection:
        connection.execute("PRAGMA max_page_count = 3")  # what SQLite has in place of a disk
    many = [Entry(7, Owner("shop", f"{n:0100}"), Spent(1, 1)) for n in range(1000)]
    with pytest.raises(StoreUnavailable, match="full"):
        store.add([Entry(7, SHOP, Spent(1, 1)), *many], 0)
    assert store.load(0) == [Entry(7, SHOP, Spent(1, 1))]
    store.close()


@pytest.mark.parametrize("another", [False, True], ids=["nothing", "another"])
def test_a_file_that_has_gone_from_its_place_is_not_written_into_the_void(
    folder: Path, another: bool
) -> None:
    store = opened(folder)
    away = (folder / FILE_NAME).rename(folder / "away")
    if another:
        (folder / FILE_NAME).touch()
    with pytest.raises(StoreUnavailable):
        store.add([Entry(7, SHOP, Spent(1, 1))], 0)
    away.rename(folder / FILE_NAME)
    assert store.add([Entry(7, SHOP, Spent(1, 1))], 0) == [Entry(7, SHOP, Spent(1, 1))]
    store.close()


def test_of_a_store_that_is_closed_nothing_is_had(folder: Path) -> None:
    store = opened(folder)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.add([], 0)
    with pytest.raises(StoreUnavailable):
        store.load(0)
