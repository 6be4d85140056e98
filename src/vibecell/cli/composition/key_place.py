"""Where a deployment keeps its keys.

Owns the choice of the store and of the server's secrets, the directory that holds both, and what
is taken for a first start. Refuses to make anew what has been lost: a store whose secret is
missing, or a secret whose store is.
"""

import os
import stat
import time
from pathlib import Path

from vibecell.config import Settings
from vibecell.model.errors import StoreUnavailable
from vibecell.sharing.key_ring import KeyView
from vibecell.sharing.key_source import KeySource
from vibecell.sharing.secret_file import SecretFile
from vibecell.sharing.server_secrets import ServerSecrets
from vibecell.sharing.sqlite_key_store import SqliteKeyStore, make_key_file

_STEP = "find the keys"


class KeyPlace:
    """The keys of a deployment, whose directory there is and is ours.

    Args:
        settings: as loaded, with the secrets themselves where a file has them.

    Attributes:
        store: of the keys.
        own_secrets: the file of the service's own; ``None`` where the settings have them.
    """

    def __init__(self, settings: Settings) -> None:
        directory = key_directory(settings)
        self._file = directory / "keys.sqlite3"
        self.store = SqliteKeyStore(self._file)
        self._given = ServerSecrets(settings.server_secrets) if settings.server_secrets else None
        self.own_secrets = None if self._given is not None else SecretFile(directory / "secret")
        self._secret_file = directory / "secret"

    def secrets(self) -> ServerSecrets:
        """Those of the server, as they are now; raises ``PlatformError``."""
        if self._given is not None:
            return self._given
        assert self.own_secrets is not None
        return self.own_secrets.secrets()

    def source(self) -> KeySource:
        """Where views of the keys come from."""
        return KeySource(self.store, self.secrets)

    def make(self) -> None:
        """Make what a first start finds missing; see that the rest can be used.

        Raises:
            PlatformError: something is lost, damaged, locked, full or another's.
        """
        # the secret comes last, so where there is one, there was a store
        if not self._file.exists():
            if self._secret_file.exists():
                detail = f"{self._file} is missing, and its secret is there; restore it"
                raise StoreUnavailable(_STEP, f"{detail}, or remove both to have no key any more")
            make_key_file(self._file)
        self.store.require_writable()
        records = self.store.records()
        if self.own_secrets is not None and not self._secret_file.exists():
            if records:
                detail = f"{self._secret_file} is missing, by which {len(records)} are hashed"
                raise StoreUnavailable(_STEP, f"{detail}; restore it")
            self.own_secrets.make()
        self._require_own_secret(KeyView(records, self.secrets()))

    def _require_own_secret(self, view: KeyView) -> None:
        """Refuse secrets that are another server's: every key would be wrong."""
        alive = view.alive(time.time())
        known = [x for x in alive if any(y.hashed_by in view.secrets.names for y in x.hashes)]
        if alive and not known:
            detail = f"none of {len(alive)} was hashed by a secret of this server"
            raise StoreUnavailable("read the keys", detail)


def key_directory(settings: Settings) -> Path:
    """Of the gateway alone: it holds the keys and the server's own secrets."""
    return settings.state_dir / "gateway"


def make_directory(settings: Settings) -> None:
    """Make the directory, as root for the gateway's user; nobody else may have it.

    Raises:
        PlatformError: it cannot be made, is another's, or others may enter it.
    """
    path = key_directory(settings)
    uid = settings.gateway_uid if os.geteuid() == 0 else os.geteuid()
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != uid and not os.listdir(descriptor):
                os.fchown(descriptor, uid, uid)  # just made, by us or by one who did not come to it
            _require_private(os.fstat(descriptor), uid, path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreUnavailable("make the directory of the keys", str(error)) from error


def _require_private(there: os.stat_result, uid: int, path: Path) -> None:
    if there.st_uid != uid:
        raise StoreUnavailable(_STEP, f"{path} belongs to user {there.st_uid}, not to {uid}")
    if stat.S_IMODE(there.st_mode) & 0o077:
        raise StoreUnavailable(_STEP, f"others may enter {path}; chmod 700 it")
