"""The audit as a file: it only grows, who may have it, and what may be wrong with it."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import host
from unit.as_nobody import as_nobody, give_to_nobody
from vibecell.model.errors import StoreUnavailable
from vibecell.sharing import sqlite_audit
from vibecell.sharing.audit import MAX_RECORD_BYTES, AuditQuery, AuditRecord
from vibecell.sharing.sqlite_audit import FILE_NAME, PRUNINGS, SqliteAudit

ALL = AuditQuery()
SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def opened(folder: Path) -> SqliteAudit:
    store = SqliteAudit(folder)
    store.open()
    return store


def read(folder: Path) -> list[AuditRecord]:
    """As whoever looks from outside."""
    store = SqliteAudit(folder)
    try:
        return list(store.read(ALL)) if store.open_to_read() else []
    finally:
        store.close()


def act(at_us: int) -> AuditRecord:
    return AuditRecord(at_us=at_us, act="key_created", user=f"user {at_us:050}")


ACTS = [act(at_us) for at_us in range(500)]


@pytest.fixture
def filled(folder: Path) -> Path:
    """Where five hundred acts are, of which the first hundred were pruned."""
    store = opened(folder)
    store.append(ACTS)
    assert store.prune_before(100) == 100
    store.close()
    return folder


TAMPERING = [
    "UPDATE acts SET user = 'somebody else'",
    "UPDATE acts SET record = '{}' WHERE number = 500",
    "DELETE FROM acts",
    "DELETE FROM acts WHERE number = 500",
    "DELETE FROM acts WHERE number = 101",
    "REPLACE INTO acts (number, at_us, act, record) VALUES (500, 1, 'execution', '{}')",
    "REPLACE INTO acts (number, at_us, act, record) VALUES (101, 1, 'execution', '{}')",
    "UPDATE OR REPLACE acts SET number = 101 WHERE number = 102",
    "INSERT INTO acts (number, at_us, act, record) VALUES (50, 1, 'execution', '{}')",
    "UPDATE prunings SET through = 500",
    "DELETE FROM prunings",
    "REPLACE INTO prunings (number, at_us, through) VALUES (1, 1, 500)",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_what_was_audited_is_neither_changed_nor_removed(filled: Path, statement: str) -> None:
    connection = sqlite3.connect(filled / FILE_NAME)
    with pytest.raises(sqlite3.IntegrityError, match=r"an act is|a pruning"):
        connection.execute(statement)
    connection.rollback()
    connection.close()
    assert read(filled) == ACTS[100:]


def test_a_number_that_was_pruned_is_not_given_again(folder: Path) -> None:
    store = opened(folder)
    store.append([act(1)])
    store.prune_before(2)
    store.append([act(3)])
    store.close()
    connection = sqlite3.connect(folder / FILE_NAME)
    assert connection.execute("SELECT number FROM acts").fetchall() == [(2,)]
    assert connection.execute("SELECT through FROM prunings").fetchall() == [(1,)]
    connection.close()


def test_what_was_pruned_is_in_no_file_any_more(folder: Path) -> None:
    store = opened(folder)
    store.append([act(1), *(act(n) for n in range(1000, 1500))])
    store.prune_before(500)
    raw = b"".join(path.read_bytes() for path in folder.iterdir())
    assert act(1500 - 1).user.encode() in raw  # type: ignore[union-attr]
    assert act(1).user.encode() not in raw  # type: ignore[union-attr]
    store.close()


def test_room_that_pruning_made_is_given_back_to_the_disk(folder: Path) -> None:
    store = opened(folder)
    store.append([act(n) for n in range(5000)])
    store.close()
    before_bytes = (folder / FILE_NAME).stat().st_size
    store.open()
    store.prune_to(100_000)
    assert store.size_bytes() <= 100_000 < before_bytes
    assert (folder / FILE_NAME).stat().st_size <= 110_000
    store.close()


def test_prunings_are_remembered_within_a_bound(folder: Path) -> None:
    store = opened(folder)
    with store._file.using("fill") as connection:
        connection.executemany(
            "INSERT INTO prunings (at_us, through) VALUES (?, 0)", [(n,) for n in range(1500)]
        )
    store.append([act(1)])
    store.prune_before(2)
    with store._file.using("look") as connection:
        assert connection.execute("SELECT count(*) FROM prunings").fetchone() == (PRUNINGS,)
    store.close()


def test_it_is_read_while_it_is_written_and_afterwards(folder: Path) -> None:
    assert read(folder) == [], "nothing was audited yet"
    store = opened(folder)
    store.append([act(1)])
    assert read(folder) == [act(1)]
    store.append([act(2)])
    assert read(folder) == [act(1), act(2)]
    store.close()
    assert read(folder) == [act(1), act(2)]


def test_what_a_killed_process_wrote_is_there(folder: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from unit.test_sqlite_audit import act, opened
opened(Path({str(folder)!r})).append([act(1)])
os.kill(os.getpid(), 9)
"""
    path = os.pathsep.join((str(SOURCES), str(Path(__file__).parents[1])))
    environ = {**os.environ, "PYTHONPATH": path}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode < 0
    assert read(folder) == [act(1)]


def test_nobody_else_may_look_into_it(folder: Path) -> None:
    store = opened(folder)
    store.append([act(1)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    store.close()


def test_a_file_that_nobody_has_filled_yet_has_nothing_to_be_read(
    folder: Path,
) -> None:
    folder.mkdir(mode=0o700)
    file = folder / FILE_NAME
    file.touch(mode=0o600)
    assert read(folder) == []
    with sqlite3.connect(file) as begun:
        begun.execute("PRAGMA journal_mode = WAL")
    begun.close()
    assert read(folder) == []


def test_a_file_of_another_version_is_not_read(folder: Path) -> None:
    opened(folder).close()
    with sqlite3.connect(folder / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 0")
    other.close()
    with pytest.raises(StoreUnavailable):
        read(folder)


def test_a_reader_refuses_a_directory_that_is_not_its_own(filled: Path) -> None:
    filled.chmod(0o755)
    with pytest.raises(StoreUnavailable, match="mode 0700"):
        read(filled)


def test_a_link_in_place_of_the_file_is_followed_by_nobody(filled: Path, tmp_path: Path) -> None:
    (filled / FILE_NAME).rename(tmp_path / "elsewhere")
    (filled / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable):
        read(filled)
    with pytest.raises(StoreUnavailable):
        opened(filled)


def test_a_pipe_in_place_of_the_file_holds_nobody_up(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.mkfifo(folder / FILE_NAME)
    with pytest.raises(StoreUnavailable):
        read(folder)


@pytest.mark.parametrize("damaged", ["head", "table", "cut", "no database", "another's"])
def test_a_damaged_file_is_never_taken_for_an_empty_one(filled: Path, damaged: str) -> None:
    path = filled / FILE_NAME
    data = bytearray(path.read_bytes())
    if damaged == "head":
        data[:64] = b"\xff" * 64
    elif damaged == "table":
        data[4096 + 8 :] = b"\xff" * (len(data) - 4096 - 8)
    elif damaged == "cut":
        del data[len(data) // 2 :]
    elif damaged == "no database":
        data[:] = b"these are notes of somebody's, and no database at all\n" * 100
    else:
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE acts (number INTEGER PRIMARY KEY)")
        connection.close()
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(StoreUnavailable, match="the audit"):
        opened(filled)
    with pytest.raises(StoreUnavailable, match="the audit"):
        read(filled)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "record", ["{}", "no json", '{"at_us":1,"act":"flown"}', "x" * (MAX_RECORD_BYTES + 1), None]
)
def test_a_record_that_none_of_ours_wrote_is_said_to_be_damaged(
    folder: Path, record: str | None
) -> None:
    opened(folder).close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        row = (1, "execution", record or '{"at_us":1,"act":"execution","user":"a\\u0000"}')
        connection.execute("INSERT INTO acts (at_us, act, record) VALUES (?, ?, ?)", row)
    connection.close()
    with pytest.raises(StoreUnavailable, match="a record is"):
        read(folder)


def test_a_locked_file_is_not_written_can_be_read_and_can_be_written_later(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_audit, "BUSY_S", 0.05)
    store = opened(filled)
    with sqlite3.connect(filled / FILE_NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.append([act(1)])
        assert read(filled) == ACTS[100:]
        other.execute("ROLLBACK")
    other.close()
    store.append([act(501)])
    assert read(filled) == [*ACTS[100:], act(501)]
    store.close()


def test_of_a_batch_that_does_not_fit_nothing_is_kept(folder: Path) -> None:
    store = opened(folder)
    store.append([act(1)])
    with store._file.using("fill") as connection:
        connection.execute("PRAGMA max_page_count = 12")  # what SQLite has in place of a disk
    with pytest.raises(StoreUnavailable, match="full"):
        store.append([act(n) for n in range(2, 5000)])
    assert read(folder) == [act(1)]
    store.close()


def test_a_file_that_may_not_be_written_is_refused_and_read() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "audit"
        store = opened(folder)
        store.append([act(1)])
        store.close()
        (folder / FILE_NAME).chmod(0o400)
        give_to_nobody(Path(made), folder, folder / FILE_NAME)
        assert as_nobody(lambda: f"{_refusal(folder)} {len(read(folder))}") == "[Errno 13] 1"


def _refusal(folder: Path) -> str:
    try:
        opened(folder)
    except StoreUnavailable as error:
        return "[Errno 13]" if "open the audit: [Errno 13]" in str(error) else str(error)
    return "opened"


MOUNTED = """
import subprocess, sys
from pathlib import Path
from unit.test_sqlite_audit import act, opened, read
from vibecell.model.errors import StoreUnavailable

top, what = Path(sys.argv[1]), sys.argv[2]
folder = top / "audit"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=700", "none", top], check=True)
store = opened(folder)
kept = [act(1)]
store.append(kept)
try:
    if what == "read-only":
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", top], check=True)
        opened(folder)
    while what == "full":
        store.append([act(len(kept) + 1)])
        kept.append(act(len(kept) + 1))
except StoreUnavailable as error:
    assert what.replace("-", " ") in str(error).lower().replace("-", " "), error
    assert read(folder) == kept
    print("refused and read")
"""


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_a_file_system_that_takes_nothing_more_leaves_what_there_is(
    tmp_path: Path, what: str
) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode != 0:
        host.lacking("mount namespaces of an own user namespace")
    path = os.pathsep.join((str(SOURCES), str(Path(__file__).parents[1])))
    done = subprocess.run(
        [*alone, sys.executable, "-c", MOUNTED, str(tmp_path), what],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("refused and read\n", "")
