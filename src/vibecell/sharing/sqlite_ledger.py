"""Sums in a SQLite file.

Owns the file, in a directory that nobody else may enter, and its one table; refuses a
directory of somebody else's, a file that is damaged or cannot be written, one that a newer
version has made, and to go on with one that has gone from its place: what is written to it then
nobody would find. Every error of SQLite leaves as ``StoreUnavailable``.

What an ``add`` brings are further amounts, not sums: so several engines may keep one file.

Source: sqlite.org/wal.html, sqlite.org/pragma.html, sqlite.org/lang_upsert.html
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from vibecell.model.caller import Owner
from vibecell.model.errors import StoreUnavailable
from vibecell.model.limits import HIGHEST
from vibecell.sharing.ledger import Entry, Spent
from vibecell.sharing.sqlite_files import connect, require_undamaged, transaction

FILE_NAME = "usage.sqlite3"
VERSION = 1
BUSY_S = 2.0  # how long another's lock is waited for
# an owner without user is the empty text: no user has that name
_TABLE = """
CREATE TABLE IF NOT EXISTS used (
    day INTEGER NOT NULL,
    key TEXT NOT NULL,
    user TEXT NOT NULL,
    cpu_us INTEGER NOT NULL CHECK (cpu_us >= 0),
    output_bytes INTEGER NOT NULL CHECK (output_bytes >= 0),
    PRIMARY KEY (day, key, user)
) STRICT, WITHOUT ROWID
"""
_ADD = f"""
INSERT INTO used VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day, key, user) DO UPDATE SET
    cpu_us = min({HIGHEST}, cpu_us + excluded.cpu_us),
    output_bytes = min({HIGHEST}, output_bytes + excluded.output_bytes)
RETURNING cpu_us, output_bytes
"""
_LOAD = "SELECT day, key, user, cpu_us, output_bytes FROM used WHERE day >= ?"


class SqliteLedger:
    """See ``ledger.LedgerStore``; its calls may come from any thread, one at a time.

    Args:
        directory: of its own; made if it is not there, with mode 0700.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def open(self) -> None:
        """See ``LedgerStore.open``: by writing."""
        with _told("open the ledger of usage"):
            self._make_directory()
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            self._connection = connect(self._path, BUSY_S)
            try:
                self._opened = _identity(self._path)
                self._prepare(self._connection)
            except BaseException:
                self.close()
                raise

    def load(self, since_day: int) -> list[Entry]:
        """See ``LedgerStore.load``."""
        with _told("read the ledger of usage"):
            rows = self._open().execute(_LOAD, (since_day,)).fetchall()
            return [
                Entry(day, Owner(key, user or None), Spent(cpu_us, output_bytes))
                for day, key, user, cpu_us, output_bytes in rows
            ]

    def add(self, entries: Sequence[Entry], forget_before: int) -> list[Entry]:
        """See ``LedgerStore.add``: one transaction."""
        with _told("write the ledger of usage"):
            connection = self._open()
            with transaction(connection):
                sums = [_added(connection, entry) for entry in entries]
                connection.execute("DELETE FROM used WHERE day < ?", (forget_before,))
            return sums

    def close(self) -> None:
        """See ``LedgerStore.close``."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # what was committed stands in the log beside the file, whatever this comes to
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @property
    def _path(self) -> Path:
        return self._directory / FILE_NAME

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OSError("it is not open")
        if _identity(self._path) != self._opened:
            raise OSError(f"{self._path}: another file is in its place")
        return self._connection

    def _make_directory(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._directory.mkdir(mode=0o700, parents=True)
        found = self._directory.lstat()
        private = not found.st_mode & 0o077 and found.st_uid == os.geteuid()
        if not (stat.S_ISDIR(found.st_mode) and private):
            raise OSError(f"{self._directory}: must be a directory of the engine's user, mode 0700")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # of a power failure the last second may be lost, as of a crash
        connection.execute("PRAGMA synchronous = NORMAL")
        require_undamaged(connection)
        with transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"the file is of another version ({version})")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {VERSION}")  # writes, whether new or not


def _identity(path: Path) -> tuple[int, int]:
    there = path.stat()
    return there.st_dev, there.st_ino


def _added(connection: sqlite3.Connection, entry: Entry) -> Entry:
    owner, spent = entry.owner, entry.spent
    row = (entry.day, owner.key, owner.user or "", spent.cpu_us, spent.output_bytes)
    ((cpu_us, output_bytes),) = connection.execute(_ADD, row).fetchall()
    return Entry(entry.day, owner, Spent(cpu_us, output_bytes))


@contextlib.contextmanager
def _told(step: str) -> Iterator[None]:
    """Say what SQLite and the file system say in words of the house.

    Raises:
        StoreUnavailable: whatever failed.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(step, str(error)) from error
