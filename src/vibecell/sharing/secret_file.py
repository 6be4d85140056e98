"""Where a server's own secrets lie.

Owns the file's form (a secret a line, the one in use first), its making and its changes, and who
may read it. Refuses one that others can read, and to make one that is lost: whoever asks says
whether it is the first start.
"""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from vibecell.model.errors import StoreUnavailable
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

_MAX_BYTES = 16 * 1024
_OTHERS = 0o007
_STEP = "read the server's secret"


class SecretFile:
    """A file of secrets, read again when it has changed.

    Args:
        path: of the file.
        forbidden: who else may not have a right to it, as bits of its mode.
    """

    def __init__(self, path: Path, forbidden: int = 0o077) -> None:
        self._path = path
        self._forbidden = forbidden
        self._read: tuple[tuple[int, ...], tuple[str, ...]] | None = None

    def secrets(self) -> ServerSecrets:
        """What the file says now.

        Raises:
            PlatformError: it is not there, cannot be read, can be by others, or says nothing.
        """
        return ServerSecrets(self.texts())

    def texts(self) -> tuple[str, ...]:
        """The same, as it is written; raises likewise."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                there = os.fstat(descriptor)
                self._require_private(there)
                state = (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns)
                if self._read is None or self._read[0] != state:
                    text = file.read(_MAX_BYTES).decode("ascii", "replace")
                    self._read = (state, tuple(filter(None, map(str.strip, text.splitlines()))))
        except OSError as error:
            raise StoreUnavailable(_STEP, str(error)) from error
        return self._read[1]

    def _require_private(self, there: os.stat_result) -> None:
        if not stat.S_ISREG(there.st_mode):
            raise StoreUnavailable(_STEP, f"{self._path} is no file")
        if there.st_mode & self._forbidden:
            mode = f"{stat.S_IMODE(there.st_mode):o}"
            raise StoreUnavailable(_STEP, f"{self._path} has mode {mode}: others may read it")

    def make(self) -> None:
        """Write a first secret, unless there is a file already; raises ``StoreUnavailable``."""
        with self._new((new_server_secret(),)) as made, contextlib.suppress(FileExistsError):
            os.link(made, self._path)

    def put_first(self, needed: Collection[str]) -> ServerSecrets:
        """Put a new secret before the others.

        Args:
            needed: names of those that keys are hashed by; of the others only the one that was
                in use is kept, for what was signed with it.

        Raises:
            PlatformError: the file cannot be read or written.
        """
        with self._alone():
            old = self.texts()
            names = ServerSecrets(old).names
            kept = (x for at, x in enumerate(old) if at == 0 or names[at] in needed)
            texts = (new_server_secret(), *kept)
            ServerSecrets(texts)  # as many as there may be
            with self._new(texts) as made:
                os.replace(made, self._path)
        return self.secrets()

    @contextlib.contextmanager
    def _new(self, texts: tuple[str, ...]) -> Iterator[Path]:
        """A file with these secrets under another name, on the disk; gone after the block."""
        making = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with open(os.open(making, flags, 0o600), "w") as file:
                file.write("".join(f"{text}\n" for text in texts))
                file.flush()
                os.fsync(file.fileno())
            try:
                yield making
            finally:
                making.unlink(missing_ok=True)
            with self._directory() as descriptor:
                os.fsync(descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                making.unlink(missing_ok=True)
            raise StoreUnavailable("write the server's secret", str(error)) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else changes it. Source: flock(2); it ends with the descriptor."""
        try:
            with self._directory() as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StoreUnavailable("write the server's secret", str(error)) from error

    @contextlib.contextmanager
    def _directory(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        descriptor = os.open(self._path.parent, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def given_secrets(path: Path) -> tuple[str, ...]:
    """Those of a file that an operator gives, which a group of his may read.

    Raises:
        PlatformError: it cannot be read, or by everybody, or says none.
    """
    file = SecretFile(path, _OTHERS)
    file.secrets()
    return file.texts()
