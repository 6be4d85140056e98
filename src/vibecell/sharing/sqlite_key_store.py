"""Keys in a file of SQLite, for all processes of a machine.

Owns an adapter of ``KeyStore``: the file's form, its making, and what is taken for damage. Refuses
to make a file where one is expected: a store whose file has gone is broken, not empty.

- The write-ahead log lets gateways read while a command writes; with ``synchronous=FULL`` what was
  committed is on the disk. Source: sqlite.org/wal.html; sqlite.org/pragma.html#pragma_synchronous
- A new file is made whole under another name and then given its own, so nobody finds half of one.
- SQLite's two files beside it get its mode, and are of whoever opened it first: only processes of
  its owner may. Source: sqlite.org/walformat.html, section 2.
- ``data_version`` tells what other connections committed, in microseconds and without a lock.
  Source: sqlite.org/pragma.html#pragma_data_version
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from vibecell.model.errors import Conflict, StoreUnavailable
from vibecell.sharing.key_store import UnknownKey
from vibecell.sharing.keys import HashedSecret, KeyRecord
from vibecell.sharing.sqlite_files import connect, require_undamaged, transaction

READ_PATIENCE_S = 1.0
WRITE_PATIENCE_S = 5.0
#: Marks a file as one of ours ("VCks"). Source: sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x56436B73
#: Never made where it is missing.
_OPENED = "rw"
#: Raised with every member of a key that an older version must not overlook.
FORM = 1
_TABLE = """
    CREATE TABLE keys (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL
    ) STRICT
"""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KeyRecord)


def make_key_file(path: Path) -> None:
    """Make an empty store, unless there is a file already.

    Raises:
        StoreUnavailable: it cannot be made.
    """
    making = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _fill(making)
            with contextlib.suppress(FileExistsError):  # somebody else was as quick
                os.link(making, path)
        finally:
            for name in (making, *(making.with_name(making.name + x) for x in ("-wal", "-shm"))):
                name.unlink(missing_ok=True)
        _flush_directory(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable("make the store of keys", f"{path}: {error}") from error


def _fill(path: Path) -> None:
    with contextlib.closing(_connect(path, WRITE_PATIENCE_S)) as connection:
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise OSError("the file system lacks what a write-ahead log needs")
        with transaction(connection):
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={FORM}")
            connection.execute(_TABLE)


def _flush_directory(directory: Path) -> None:
    """Have a new name on the disk. Source: fsync(2), "a directory … an explicit fsync"."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SqliteKeyStore:
    """Keys in a file that is there; it is opened when it is first needed.

    Args:
        path: of the file.
        write_patience_s: with others who write.
    """

    def __init__(self, path: Path, write_patience_s: float = WRITE_PATIENCE_S) -> None:
        self._path = path
        self._write_patience_s = write_patience_s
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, ...] = ()
        self._openings = self._writes = 0

    def version(self) -> object:
        """What tells of every change, of the file itself as well."""
        with self._using("ask for changes of the keys") as connection:
            (changes,) = connection.execute("PRAGMA data_version").fetchone()
            return changes, self._openings, self._writes

    def records(self) -> tuple[KeyRecord, ...]:
        """All keys, in the order they were made."""
        with self._using("read the keys") as connection:
            rows = connection.execute("SELECT record FROM keys ORDER BY number").fetchall()
            return tuple(_decoded(text) for (text,) in rows)

    def add(self, record: KeyRecord) -> None:
        """Keep a new key; see ``KeyStore.add``."""
        with self._writing("keep a key") as connection:
            try:
                connection.execute(
                    "INSERT INTO keys (id, record) VALUES (?, ?)", (record.key.id, _encoded(record))
                )
            except sqlite3.IntegrityError as error:
                raise Conflict(f"a key {record.key.id} is there") from error

    def revoke(self, key_id: str, at: float) -> None:
        """Note that a key is none any more; see ``KeyStore.revoke``."""
        with self._writing("revoke a key") as connection:
            record = _found(connection, key_id)
            if record.key.revoked_at is None:
                _put(connection, replace(record, key=replace(record.key, revoked_at=at)))

    def replace_hashes(
        self, key_id: str, old: tuple[HashedSecret, ...], new: tuple[HashedSecret, ...]
    ) -> None:
        """Keep other hashes of a key; see ``KeyStore.replace_hashes``."""
        with self._writing("rotate a key") as connection:
            record = _found(connection, key_id)
            if record.hashes != old:
                raise Conflict(f"the key {key_id} was changed meanwhile")
            _put(connection, replace(record, hashes=new))

    def note_uses(self, used_at: Mapping[str, float]) -> None:
        """Note when keys were last used."""
        with self._writing("note the use of keys") as connection:
            for key_id, at in used_at.items():
                with contextlib.suppress(UnknownKey):
                    record = _found(connection, key_id)
                    _put(
                        connection, replace(record, last_used_at=max(at, record.last_used_at or at))
                    )

    def require_writable(self) -> None:
        """Write nothing, as if something were to be.

        Raises:
            StoreUnavailable: it could not be.
        """
        with self._using("write to the store of keys") as connection:
            self._begin(connection)
            try:  # of a file that is read-only a transaction begins all the same
                connection.execute(f"PRAGMA user_version={FORM}")
            finally:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _writing(self, step: str) -> Iterator[sqlite3.Connection]:
        """One transaction, which is on the disk when the block has ended."""
        with self._using(step) as connection:
            self._begin(connection)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                self._writes += 1  # our own connection's data_version does not tell
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _begin(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout={round(self._write_patience_s * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute(f"PRAGMA busy_timeout={round(READ_PATIENCE_S * 1000)}")

    @contextlib.contextmanager
    def _using(self, step: str) -> Iterator[sqlite3.Connection]:
        """The open file; whatever fails is opened anew the next time."""
        try:
            yield self._open()
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            with contextlib.suppress(sqlite3.Error):
                self.close()
            raise StoreUnavailable(step, f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        now = _identity(self._path)
        if self._connection is not None and now == self._opened:
            return self._connection
        self.close()  # it is another file, or was written to past the log
        connection = _connect(self._path, READ_PATIENCE_S)
        try:
            _require_sound(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened = connection, now
        self._openings += 1
        return connection


def _identity(path: Path) -> tuple[int, ...]:
    """Which file it is, and what its pages were last written by: a checkpoint, or no friend."""
    there = path.stat()
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns


def _connect(path: Path, patience_s: float) -> sqlite3.Connection:
    connection = connect(path, patience_s, _OPENED)
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _require_sound(connection: sqlite3.Connection) -> None:
    """Raise ``sqlite3.DatabaseError`` for a file that is damaged, or none of ours."""
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise sqlite3.DatabaseError("is no store of keys")
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form != FORM:
        raise sqlite3.DatabaseError(f"has form {form}, of another version of Vibecell")
    require_undamaged(connection)


def _found(connection: sqlite3.Connection, key_id: str) -> KeyRecord:
    row = connection.execute("SELECT record FROM keys WHERE id = ?", (key_id,)).fetchone()
    if row is None:
        raise UnknownKey(key_id)
    return _decoded(row[0])


def _put(connection: sqlite3.Connection, record: KeyRecord) -> None:
    connection.execute("UPDATE keys SET record = ? WHERE id = ?", (_encoded(record), record.key.id))


def _encoded(record: KeyRecord) -> str:
    return _encoder.encode(record).decode()


def _decoded(text: str) -> KeyRecord:
    return _decoder.decode(text)
