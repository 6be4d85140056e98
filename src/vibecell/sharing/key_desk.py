"""Keys made, revoked and rotated.

Owns what happens to a key over a store, whoever asks for it. Refuses to keep a text: it is given
out once, after the store has kept its hash.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from vibecell.model.errors import ExpiredCredential, RevokedCredential
from vibecell.sharing.key_store import KeyStore, UnknownKey
from vibecell.sharing.keys import DAMAGED, Key, KeyRecord, new_key_id, new_key_text
from vibecell.sharing.server_secrets import ServerSecrets

MAX_HASHES = 4


@dataclass(frozen=True, slots=True)
class GivenOut:
    """A key with its text, which is nowhere else.

    Attributes:
        key: what it is.
        text: what is to be shown; in no ``repr``.
    """

    key: Key
    text: str

    def __repr__(self) -> str:
        return f"GivenOut({self.key.id})"


class KeyDesk:
    """Makes and ends keys of one store."""

    def __init__(
        self, store: KeyStore, secrets: ServerSecrets, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._secrets, self._clock = store, secrets, clock

    def create(self, wanted: Key, lifetime_s: float | None = None) -> GivenOut:
        """Make a key.

        Args:
            wanted: says everything but id and times.
            lifetime_s: after which it expires; ``None``: never.
        """
        now = self._clock()
        expires_at = None if lifetime_s is None else now + lifetime_s
        key = replace(wanted, id=new_key_id(), created_at=now, expires_at=expires_at)
        text = new_key_text(key.id)
        self._store.add(KeyRecord(key, (self._secrets.hashed(text),)))
        return GivenOut(key, text)

    def record(self, key_id: str) -> KeyRecord:
        """What is kept of one key; raises ``UnknownKey``."""
        for record in self._store.records():
            if record.key.id == key_id:
                return record
        raise UnknownKey(key_id)

    def revoke(self, key_id: str) -> Key:
        """End a key for good; raises ``UnknownKey``."""
        self._store.revoke(key_id, self._clock())
        return self.record(key_id).key

    def rotate(self, key_id: str, grace_s: float) -> GivenOut:
        """Give a key another text; the present one is good for a grace, no older one for longer.

        Raises:
            UnknownKey: there is none with this id.
            RevokedCredential, ExpiredCredential: it is none any more, or its record is damaged.
            Conflict: somebody else rotated it meanwhile.
        """
        now, record = self._clock(), self.record(key_id)
        if record.key.revoked_at is not None:
            raise RevokedCredential(f"the key {key_id} was revoked")
        if record.is_damaged:
            raise RevokedCredential(f"the key {key_id} is none: {DAMAGED}")
        if record.key.has_expired(now):
            raise ExpiredCredential(f"the key {key_id} has expired")
        end = now + grace_s
        old = tuple(replace(x, valid_until=min(end, x.valid_until or end)) for x in record.hashes)
        text = new_key_text(key_id)
        new = (self._secrets.hashed(text), *old)[:MAX_HASHES]
        self._store.replace_hashes(key_id, record.hashes, new)
        return GivenOut(record.key, text)
