"""Sums in a SQLite file.

Owns the file's one table; refuses what a ``PrivateFile`` does, one that cannot be written included.

What an ``add`` brings are further amounts, not sums: so several engines may keep one file.

Source: sqlite.org/lang_upsert.html
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from vibecell.model.caller import Owner
from vibecell.model.limits import HIGHEST
from vibecell.sharing.ledger import Entry, Spent
from vibecell.sharing.sqlite_files import PrivateFile, transaction

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
        self._file = PrivateFile(directory / FILE_NAME, "the ledger of usage", VERSION)

    def open(self) -> None:
        """See ``LedgerStore.open``: by writing."""
        self._file.open(BUSY_S, lambda connection: connection.execute(_TABLE))

    def load(self, since_day: int) -> list[Entry]:
        """See ``LedgerStore.load``."""
        with self._file.using("read") as connection:
            rows = connection.execute(_LOAD, (since_day,)).fetchall()
            return [
                Entry(day, Owner(key, user or None), Spent(cpu_us, output_bytes))
                for day, key, user, cpu_us, output_bytes in rows
            ]

    def add(self, entries: Sequence[Entry], forget_before: int) -> list[Entry]:
        """See ``LedgerStore.add``: one transaction."""
        with self._file.using("write") as connection:
            with transaction(connection):
                sums = [_added(connection, entry) for entry in entries]
                connection.execute("DELETE FROM used WHERE day < ?", (forget_before,))
            return sums

    def close(self) -> None:
        """See ``LedgerStore.close``."""
        self._file.close()


def _added(connection: sqlite3.Connection, entry: Entry) -> Entry:
    owner, spent = entry.owner, entry.spent
    row = (entry.day, owner.key, owner.user or "", spent.cpu_us, spent.output_bytes)
    ((cpu_us, output_bytes),) = connection.execute(_ADD, row).fetchall()
    return Entry(entry.day, owner, Spent(cpu_us, output_bytes))
