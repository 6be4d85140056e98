"""What a gateway knows of all keys at a moment.

Owns the view in memory by which a request is judged, and whether anonymous use is open. Refuses to
wait: whoever has a loop brings a new view (``take``) several times a second, and may fetch what is
to be written (``owed``). Refuses to go by an old view: where none could be had for some
seconds, nobody is judged by it, neither as known nor as anonymous.

Keys of the settings are in no store. They go on working whatever becomes of it.
"""

import hashlib
import hmac
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from vibecell.model.access import Anonymous
from vibecell.model.caller import SCOPES
from vibecell.model.errors import (
    ExpiredCredential,
    RevokedCredential,
    StoreUnavailable,
    WrongCredential,
)
from vibecell.model.origins import ANY
from vibecell.sharing.keys import DAMAGED, HashedSecret, Key, KeyRecord, id_in
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

STALE_AFTER_S = 5.0
_WRONG = "the key is not known"


@dataclass(frozen=True, slots=True)
class KeyView:
    """What was read at one moment.

    Attributes:
        records: all keys of the store.
        secrets: of the server.
    """

    records: tuple[KeyRecord, ...]
    secrets: ServerSecrets

    def alive(self, now: float) -> tuple[KeyRecord, ...]:
        """Those that somebody may come with."""
        return tuple(
            record
            for record in self.records
            if record.key.revoked_at is None
            and not record.is_damaged
            and not record.key.has_expired(now)
        )


@dataclass(slots=True)
class Owed:
    """What a ring would have written.

    Attributes:
        used_at: when keys were last used, by id.
        rehashed: by key, its hashes as they are kept and as they should be.
    """

    used_at: dict[str, float] = field(default_factory=dict)
    rehashed: dict[str, tuple[tuple[HashedSecret, ...], tuple[HashedSecret, ...]]] = field(
        default_factory=dict
    )

    def __bool__(self) -> bool:
        return bool(self.used_at or self.rehashed)


class KeyRing:
    """All keys that a gateway knows.

    Args:
        settings_keys: texts of those in the settings.
        anonymous: who is served without a key.
        view: of the store; ``None``: there is no store, and this ring is never stale.
        is_unread: whether there is a store that could not be read yet.
        clock: seconds since 1970.
        monotonic: seconds that only grow.
    """

    def __init__(
        self,
        settings_keys: Iterable[str] = (),
        anonymous: Anonymous = "auto",
        view: KeyView | None = None,
        is_unread: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        digests = tuple(_digest(text) for text in settings_keys)
        self._of_settings = tuple((digest, _settings_key(digest)) for digest in digests)
        self._anonymous = anonymous
        self._clock, self._monotonic = clock, monotonic
        self._has_store = is_unread or view is not None
        self._owed = Owed()
        self.take(view or KeyView((), ServerSecrets((new_server_secret(),))))
        if is_unread:
            self._read_at_s = -math.inf

    def take(self, view: KeyView) -> None:
        """Go by what was just read."""
        self._records = {record.key.id: record for record in view.records}
        self._secrets = view.secrets
        self._damaged = {record.key.id for record in view.records if record.is_damaged}
        self._origins = _origins(
            record.key for record in view.records if record.key.id not in self._damaged
        )
        self.confirm()

    def confirm(self) -> None:
        """Go on by the same view: the store was asked, and nothing has changed."""
        self._read_at_s = self._monotonic()

    @property
    def has_keys(self) -> bool:
        """Whether the settings have keys, or one was ever made, revoked ones included."""
        return bool(self._of_settings or self._records)

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """For tokens alone; the first signs, all verify.

        Raises:
            StoreUnavailable: whether the keys that tokens are made with are alive is not known.
        """
        self._require_fresh()
        return self._secrets.signing

    @property
    def anonymous_alone(self) -> bool:
        """Whether nobody has a key, so that whoever is served showed none."""
        return self._anonymous != "never" and not self.has_keys

    def anonymous_is_open(self) -> bool:
        """Whether a peer of this machine that shows nothing is served.

        Raises:
            StoreUnavailable: that depends on keys which cannot be read.
        """
        if self._anonymous != "auto":
            return self._anonymous == "loopback"
        if not self.has_keys:
            self._require_fresh()
        return not self.has_keys

    def of_text(self, presented: str) -> Key:
        """The key that a text is.

        Raises:
            WrongCredential: it is none.
            ExpiredCredential, RevokedCredential: it was one; told to nobody who merely guesses.
            StoreUnavailable: keys cannot be read.
        """
        if (known := self._in_settings(presented)) is not None:
            return known
        self._require_fresh()
        record = self._records.get(id_in(presented) or "")
        hashes = () if record is None else record.hashes
        found = self._secrets.matching(presented, hashes)
        if record is None or found is None:
            raise WrongCredential(_WRONG)
        now = self._clock()
        key = self._alive(record.key, now)
        if found.valid_until is not None and now >= found.valid_until:
            told = "the key was replaced by another, and its grace is over"
            raise ExpiredCredential(told, key.id)
        self._note_use(record, found, presented, now)
        return key

    def of_id(self, key_id: str) -> Key:
        """A key that is alive, for what was derived from it.

        Raises:
            WrongCredential: there is none with this id.
            ExpiredCredential, RevokedCredential: it is none any more.
            StoreUnavailable: keys cannot be read.
        """
        for _, key in self._of_settings:
            if key.id == key_id:
                return key
        self._require_fresh()
        record = self._records.get(key_id)
        if record is None:
            raise WrongCredential(_WRONG)
        now = self._clock()
        key = self._alive(record.key, now)
        self._owed.used_at[key_id] = now
        return key

    def lists_origin(self, origin: str) -> bool:
        """Whether a key that is alive is for pages of this origin."""
        now = self._clock()
        return any(now < self._origins.get(name, now) for name in (origin, ANY))

    def owed(self) -> Owed:
        """What is to be written by now; it is forgotten here."""
        owed, self._owed = self._owed, Owed()
        return owed

    def _in_settings(self, presented: str) -> Key | None:
        digest, found = _digest(presented), None
        for known, key in self._of_settings:  # all of them: the time tells nothing
            if hmac.compare_digest(known, digest):
                found = key
        return found

    def _require_fresh(self) -> None:
        if self._has_store and self._monotonic() - self._read_at_s > STALE_AFTER_S:
            raise StoreUnavailable("read the keys", "what is known of them is too old")

    def _alive(self, key: Key, now: float) -> Key:
        if key.revoked_at is not None:
            raise RevokedCredential("the key was revoked", key.id)
        if key.id in self._damaged:
            raise RevokedCredential(f"the key is none: {DAMAGED}", key.id)
        if key.has_expired(now):
            raise ExpiredCredential("the key has expired", key.id)
        return key

    def _note_use(self, record: KeyRecord, found: HashedSecret, presented: str, now: float) -> None:
        self._owed.used_at[record.key.id] = now
        if found.hashed_by != self._secrets.names[0]:
            fresh = replace(self._secrets.hashed(presented), valid_until=found.valid_until)
            new = tuple(fresh if kept == found else kept for kept in record.hashes)
            self._owed.rehashed[record.key.id] = (record.hashes, new)


def _origins(keys: Iterable[Key]) -> dict[str, float]:
    """What keys that were not revoked list, and until when the last of them does."""
    found: dict[str, float] = {}
    for key in keys:
        until = math.inf if key.expires_at is None else key.expires_at
        for origin in key.origins if key.revoked_at is None else ():
            found[origin] = max(until, found.get(origin, until))
    return found


def _settings_key(digest: bytes) -> Key:
    """One that may do all, without bounds of its own."""
    return Key(f"key-{digest.hex()[:24]}", "of the settings", frozenset(SCOPES))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
