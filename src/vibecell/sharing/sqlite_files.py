"""Files of SQLite, as the stores of this room open them.

Owns how a file that is there is opened, what is taken for damage, and a transaction that is done
whole or not at all. Refuses to make a file, and to say what is in one: that is each store's.

Source: sqlite.org/uri.html; sqlite.org/pragma.html
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote


def connect(path: Path, patience_s: float, mode: str = "rw") -> sqlite3.Connection:
    """Open a file that is there. Calls come from one thread at a time, not always the same.

    Args:
        patience_s: with others who hold it.
        mode: ``rw`` or ``ro``; neither makes a file.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=patience_s,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def require_undamaged(connection: sqlite3.Connection) -> None:
    """Look through the whole file; raise ``sqlite3.DatabaseError`` where something is wrong."""
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damage != ("ok",):
        raise sqlite3.DatabaseError(f"is damaged: {damage[0]}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A block that writes; what it wrote is committed when it has ended, or undone."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # some errors have rolled back already
            connection.execute("ROLLBACK")
        raise
