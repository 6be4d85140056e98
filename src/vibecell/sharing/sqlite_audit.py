"""An audit in a file of SQLite.

Owns the file's tables and the triggers that have them only grow; refuses what a ``PrivateFile``
does. An act is never changed, replaced or put between others. It is deleted only where a pruning
has said so before, which names the last act that goes and stays itself: what is missing from the
numbers without one was taken out by force. Whoever owns the file can do that: triggers are in the
same file, and keep off mistakes, not its owner.

- What was pruned is overwritten (``secure_delete``), and its room given back to the file system.
- Several processes may append: the gateway does, and so does a command beside it.
- It is read in pieces, so that no reader keeps the write-ahead log from being taken up.

Source: sqlite.org/lang_createtrigger.html; sqlite.org/autoinc.html; sqlite.org/wal.html, section 6;
sqlite.org/lang_conflict.html, "REPLACE" (deletes, and fires no trigger for it)
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vibecell.model.errors import StoreUnavailable
from vibecell.sharing.audit import (
    MAX_RECORD_BYTES,
    US_PER_S,
    AuditQuery,
    AuditRecord,
    decoded,
    encoded,
)
from vibecell.sharing.sqlite_files import PrivateFile, transaction

FILE_NAME = "acts.sqlite3"
VERSION = 1
BUSY_S = 2.0  # how long another's lock is waited for
#: Marks a file as one of ours ("VCau"). Source: sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x56436175
#: Prunings that are kept: one for each tenth of the bytes, or hour, that was removed.
PRUNINGS = 1000
#: Of what is too large, what is left: so that not every batch has to prune.
SPARED = 0.9
_PIECE = 500  # of reading
_PRUNED_AT_ONCE = 2_000
_TABLES = f"""
CREATE TABLE IF NOT EXISTS acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL, act TEXT NOT NULL, key TEXT, user TEXT, verdict TEXT,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS acts_by_time ON acts (at_us);
CREATE TABLE IF NOT EXISTS prunings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, through INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS acts_are_not_changed BEFORE UPDATE ON acts
BEGIN SELECT RAISE(ABORT, 'an act is never changed'); END;
CREATE TRIGGER IF NOT EXISTS acts_are_not_replaced BEFORE INSERT ON acts
WHEN EXISTS (SELECT 1 FROM acts WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'an act is never replaced'); END;
CREATE TRIGGER IF NOT EXISTS acts_come_last AFTER INSERT ON acts
WHEN NEW.number < (SELECT max(number) FROM acts)
    OR NEW.number <= (SELECT coalesce(max(through), 0) FROM prunings)
BEGIN SELECT RAISE(ABORT, 'an act is never put before others'); END;
CREATE TRIGGER IF NOT EXISTS acts_go_when_pruned BEFORE DELETE ON acts
WHEN OLD.number > (SELECT coalesce(max(through), 0) FROM prunings)
BEGIN SELECT RAISE(ABORT, 'an act is only ever pruned'); END;
CREATE TRIGGER IF NOT EXISTS prunings_are_not_changed BEFORE UPDATE ON prunings
BEGIN SELECT RAISE(ABORT, 'a pruning is never changed'); END;
CREATE TRIGGER IF NOT EXISTS prunings_are_not_replaced BEFORE INSERT ON prunings
WHEN EXISTS (SELECT 1 FROM prunings WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'a pruning is never replaced'); END;
CREATE TRIGGER IF NOT EXISTS prunings_stay BEFORE DELETE ON prunings
WHEN OLD.number > (SELECT max(number) FROM prunings) - {PRUNINGS}
BEGIN SELECT RAISE(ABORT, 'a pruning stays'); END;
"""
_INSERT = "INSERT INTO acts (at_us, act, key, user, verdict, record) VALUES (?, ?, ?, ?, ?, ?)"
_PRUNING = "INSERT INTO prunings (at_us, through) VALUES (?, ?)"
_OLD_PRUNINGS = (
    f"DELETE FROM prunings WHERE number <= (SELECT max(number) FROM prunings) - {PRUNINGS}"
)
_YOUNGER = "SELECT min(number) FROM acts WHERE at_us >= ?"
_ENDS = "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM acts"


class SqliteAudit:
    """See ``audit.AuditStore``; its calls may come from any thread, one at a time.

    Args:
        directory: of its own; made if it is not there, with mode 0700.
    """

    def __init__(self, directory: Path) -> None:
        self._file = PrivateFile(directory / FILE_NAME, "the audit", VERSION)

    def open(self) -> None:
        """See ``AuditStore.open``: by writing."""
        self._file.open(BUSY_S, _fill, _set_up)

    def open_to_read(self) -> bool:
        """Open it for ``read`` alone, whoever writes meanwhile; return whether there is one."""
        return self._file.open_to_read(BUSY_S)

    def append(self, records: Sequence[AuditRecord]) -> None:
        """See ``AuditStore.append``: one transaction."""
        rows = [_row(record) for record in records]
        with self._file.using("write") as connection, transaction(connection):
            connection.executemany(_INSERT, rows)

    def read(self, query: AuditQuery) -> Iterator[AuditRecord]:
        """See ``AuditStore.read``."""
        if query.newest is None:
            return self._read(query, "ASC")
        return reversed(tuple(self._read(query, "DESC")))

    def size_bytes(self) -> int:
        """See ``AuditStore.size_bytes``: of the pages that are used."""
        with self._file.using("measure") as connection:
            return _size_bytes(connection)

    def prune_before(self, moment_us: int) -> int:
        """See ``AuditStore.prune_before``."""
        with self._file.using("prune") as connection:
            (younger,) = connection.execute(_YOUNGER, (moment_us,)).fetchone()
            first, last = connection.execute(_ENDS).fetchone()
            through = last if younger is None else younger - 1
            return _prune(connection, through) if through >= first > 0 else 0

    def prune_to(self, most_bytes: int) -> int:
        """See ``AuditStore.prune_to``; a tenth less, so that it is seldom done."""
        removed = 0
        with self._file.using("prune") as connection:
            while (used := _size_bytes(connection)) > most_bytes:
                first, last = connection.execute(_ENDS).fetchone()
                if last == 0:
                    break
                too_much = 1 - SPARED * most_bytes / used
                removed += _prune(connection, first + int((last - first) * too_much))
        return removed

    def close(self) -> None:
        """See ``AuditStore.close``."""
        self._file.close()

    def _read(self, query: AuditQuery, order: str) -> Iterator[AuditRecord]:
        left, behind = query.newest, None
        while left is None or left > 0:
            piece = _PIECE if left is None else min(_PIECE, left)
            statement, values = _selection(query, behind, order)
            with self._file.using("read") as connection:
                rows = connection.execute(f"{statement} LIMIT {piece}", values).fetchall()
            for at_us, number, record in rows:
                behind = at_us, number
                yield _record(record)
            if len(rows) < piece:
                return
            left = None if left is None else left - piece


def _set_up(connection: sqlite3.Connection) -> None:
    """Before anything is written: refuse another's file, and say how this one forgets."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if found != APPLICATION_ID and tables:
        raise sqlite3.DatabaseError("the file is no audit")
    if not tables:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA secure_delete = ON")


def _fill(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in _TABLES.split(";\nCREATE "):
        text = statement.strip().rstrip(";")
        connection.execute(text if text.startswith("CREATE ") else f"CREATE {text}")


def _row(record: AuditRecord) -> tuple[object, ...]:
    verdict = None if record.verdict is None else record.verdict.value
    text = encoded(record).decode()
    return record.at_us, record.act, record.key, record.user, verdict, text


def _record(text: object) -> AuditRecord:
    if not isinstance(text, str) or len(text) > MAX_RECORD_BYTES:
        raise StoreUnavailable("read the audit", "a record is none of ours")
    try:
        return decoded(text)
    except msgspec.MsgspecError as error:
        raise StoreUnavailable("read the audit", f"a record is damaged: {error}") from error


def _selection(
    query: AuditQuery, behind: tuple[int, int] | None, order: str
) -> tuple[str, list[object]]:
    """A statement for what comes behind a row, in an order, and its values."""
    wanted: list[tuple[str, object]] = [("at_us >= ?", query.since_us)]
    if query.before_us is not None:
        wanted.append(("at_us < ?", query.before_us))
    for column in ("key", "user", "verdict", "act"):
        if (value := getattr(query, column)) is not None:
            wanted.append((f"{column} = ?", str(value)))
    values: list[object] = [value for _, value in wanted]
    conditions = [condition for condition, _ in wanted]
    if behind is not None:
        conditions.append(f"(at_us, number) {'>' if order == 'ASC' else '<'} (?, ?)")
        values += behind
    ordered = f"ORDER BY at_us {order}, number {order}"
    # the length first: what a stranger has written there may be of any size
    shown = f"CASE WHEN length(record) <= {MAX_RECORD_BYTES} THEN record END"
    statement = f"SELECT at_us, number, {shown} FROM acts WHERE {' AND '.join(conditions)}"
    return f"{statement} {ordered}", values


def _size_bytes(connection: sqlite3.Connection) -> int:
    pages, free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)


def _prune(connection: sqlite3.Connection, through: int) -> int:
    """Remove acts up to one, in steps after which others may write; return how many."""
    with transaction(connection):
        connection.execute(_PRUNING, (int(time.time() * US_PER_S), through))
        connection.execute(_OLD_PRUNINGS)
    removed = 0
    while True:
        with transaction(connection):
            (first,) = connection.execute("SELECT min(number) FROM acts").fetchone()
            upper = through if first is None else min(through, first + _PRUNED_AT_ONCE - 1)
            done = connection.execute("DELETE FROM acts WHERE number <= ?", (upper,)).rowcount
        removed += done
        if first is None or upper == through:
            break
    # as a script: a statement without rows is stepped once, and each step gives back one page
    connection.executescript("PRAGMA incremental_vacuum")
    # or what was overwritten would lie in the file until the log is taken up by itself
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return removed
