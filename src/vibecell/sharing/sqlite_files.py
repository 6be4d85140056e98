"""Files of SQLite, as the stores of this room open them.

Owns how a file that is there is opened, what is taken for damage, a transaction that is done
whole or not at all, and a file in a directory that nobody else may enter. Refuses to say what is
in a file: that is each store's.

Source: sqlite.org/uri.html; sqlite.org/pragma.html; sqlite.org/wal.html
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from vibecell.model.errors import StoreUnavailable


def connect(path: Path, patience_s: float, mode: str = "rw") -> sqlite3.Connection:
    """Open a file that is there. Calls come from one thread at a time, not always the same.

    Args:
        patience_s: with others who hold it.
        mode: ``rw`` or ``ro``, which make no file; ``immutable`` for one that nobody can change.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    how = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{how}",
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


class PrivateFile:
    """One file in a directory that nobody else may enter, of whoever opens it first.

    Refuses a directory of somebody else's, a file that is damaged or of another version, and to go
    on with one that has gone from its place: what is written to it then nobody would find. Every
    error of SQLite and of the file system leaves as ``StoreUnavailable``.

    Args:
        path: of the file; its directory is of its own, made if it is not there, with mode 0700.
        called: what it is, for whoever is told that it cannot be used.
        version: of what is in it; a file that says another is refused.
    """

    def __init__(self, path: Path, called: str, version: int) -> None:
        self._path, self._called, self._version = path, called, version
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was opened, and not closed since."""
        return self._connection is not None

    def open(
        self,
        patience_s: float,
        fill: Callable[[sqlite3.Connection], object],
        set_up: Callable[[sqlite3.Connection], object] = lambda connection: None,
    ) -> None:
        """Open it by writing, made anew if it is not there.

        Args:
            patience_s: with others who hold it.
            fill: makes what is not there yet, within one transaction.
            set_up: what has to be said of a file before it has anything in it.
        """
        with self._told("open"):
            _make_private(self._path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self._path, flags, 0o600))
            self._begin(patience_s, "rw")
            with self._closed_by_errors() as connection:
                set_up(connection)
                self._prepare(connection, fill)

    def open_to_read(self, patience_s: float) -> bool:
        """Open it as it is, for reading alone, whoever else has it open.

        Returns:
            whether there is one, with anything in it.
        """
        with self._told("open"):
            try:
                _require_private(self._path.parent)
                there = self._path.lstat()
            except FileNotFoundError:
                return False
            if not stat.S_ISREG(there.st_mode):
                raise OSError(f"{self._path}: is no file")
            self._begin(patience_s, "immutable" if _is_frozen(self._path) else "ro")
            with self._closed_by_errors() as connection:
                if _is_empty(connection):  # its first writer is about to fill it
                    self.close()
                    return False
                self._require_version(connection, (self._version,))
            return True

    @contextlib.contextmanager
    def using(self, verb: str) -> Iterator[sqlite3.Connection]:
        """What is open, for what the verb says is done with it."""
        with self._told(verb):
            if self._connection is None:
                raise OSError("it is not open")
            if _identity(self._path) != self._opened:
                raise OSError(f"{self._path}: another file is in its place")
            yield self._connection

    def close(self) -> None:
        """Let go of it; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # what was committed stands in the log beside the file, whatever this comes to
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _begin(self, patience_s: float, mode: str) -> None:
        self.close()
        self._connection = connect(self._path, patience_s, mode)

    @contextlib.contextmanager
    def _closed_by_errors(self) -> Iterator[sqlite3.Connection]:
        assert self._connection is not None
        try:
            self._opened = _identity(self._path)
            yield self._connection
        except BaseException:
            self.close()
            raise

    def _prepare(
        self, connection: sqlite3.Connection, fill: Callable[[sqlite3.Connection], object]
    ) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # of a power failure the last second may be lost, as of a crash
        connection.execute("PRAGMA synchronous = NORMAL")
        # it is written to its end, and read seldom: pages kept of it would only be memory
        connection.execute("PRAGMA cache_size = -256")
        require_undamaged(connection)
        with transaction(connection):
            self._require_version(connection, (0, self._version))
            fill(connection)
            connection.execute(f"PRAGMA user_version = {self._version}")  # writes, new or not

    def _require_version(self, connection: sqlite3.Connection, known: tuple[int, ...]) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in known:
            raise sqlite3.DatabaseError(f"the file is of another version ({version})")

    @contextlib.contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{verb} {self._called}", str(error)) from error


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever put into a file, as whoever writes to it finds it, too."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(version == 0 and things == 0)


def _identity(path: Path) -> tuple[int, int]:
    there = path.stat()
    return there.st_dev, there.st_ino


def _is_frozen(path: Path) -> bool:
    """Whether a file is whole by itself, on a file system that is mounted read-only.

    SQLite could not make there the index that it reads a write-ahead log by.
    Source: sqlite.org/wal.html, section 5
    """
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY) and not has_log


def _make_private(directory: Path) -> None:
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    _require_private(directory)


def _require_private(directory: Path) -> None:
    found = directory.lstat()
    private = not found.st_mode & 0o077 and found.st_uid == os.geteuid()
    if not (stat.S_ISDIR(found.st_mode) and private):
        whose = f"user {os.geteuid()}'s alone"
        raise OSError(f"{directory}: must be a directory of {whose}, mode 0700")
