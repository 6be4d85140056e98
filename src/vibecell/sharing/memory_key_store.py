"""Keys for as long as the process lives.

Owns an adapter of ``KeyStore`` without a file, for tests and for who embeds a gateway. Refuses
to outlive its process.
"""

from collections.abc import Mapping
from dataclasses import replace

from vibecell.model.errors import Conflict
from vibecell.sharing.key_store import UnknownKey
from vibecell.sharing.keys import HashedSecret, KeyRecord


class MemoryKeyStore:
    """Keys in a dictionary."""

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}
        self._changes = 0

    def version(self) -> object:
        """How often it was changed."""
        return self._changes

    def records(self) -> tuple[KeyRecord, ...]:
        """All keys, in the order they were made."""
        return tuple(self._records.values())

    def add(self, record: KeyRecord) -> None:
        """Keep a new key; see ``KeyStore.add``."""
        if record.key.id in self._records:
            raise Conflict(f"a key {record.key.id} is there")
        self._put(record)

    def revoke(self, key_id: str, at: float) -> None:
        """Note that a key is none any more; see ``KeyStore.revoke``."""
        record = self._record(key_id)
        if record.key.revoked_at is None:
            self._put(replace(record, key=replace(record.key, revoked_at=at)))

    def replace_hashes(
        self, key_id: str, old: tuple[HashedSecret, ...], new: tuple[HashedSecret, ...]
    ) -> None:
        """Keep other hashes of a key; see ``KeyStore.replace_hashes``."""
        record = self._record(key_id)
        if record.hashes != old:
            raise Conflict(f"the key {key_id} was changed meanwhile")
        self._put(replace(record, hashes=new))

    def note_uses(self, used_at: Mapping[str, float]) -> None:
        """Note when keys were last used."""
        for key_id, at in used_at.items():
            if (record := self._records.get(key_id)) is not None:
                self._put(replace(record, last_used_at=max(at, record.last_used_at or 0.0)))

    def close(self) -> None:
        """There is nothing open."""

    def _put(self, record: KeyRecord) -> None:
        self._records[record.key.id] = record
        self._changes += 1

    def _record(self, key_id: str) -> KeyRecord:
        try:
            return self._records[key_id]
        except KeyError:
            raise UnknownKey(key_id) from None
