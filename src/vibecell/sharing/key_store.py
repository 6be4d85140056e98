"""The port: what keeps keys, and what it promises.

Owns the protocol that ``memory_key_store`` and ``sqlite_key_store`` keep, tried by one suite.
Refuses secrets and clocks: a store is told what to keep.

1. What a call has written, every later call of any process reads, after a crash as well.
2. A call writes all of it or nothing.
3. Nothing is ever removed: that there was a key closes anonymous use, a revoked one too.
4. ``version`` changes whenever ``records`` may have.
5. What cannot be read or written raises ``StoreUnavailable``. A store that is damaged is never an
   empty one.

Calls may wait for a disk, so whoever has a loop makes them in a thread, one at a time.
"""

from collections.abc import Mapping
from typing import Protocol

from vibecell.sharing.keys import HashedSecret, KeyRecord


class KeyStore(Protocol):
    """What keeps keys; every call raises ``StoreUnavailable`` where it cannot."""

    def version(self) -> object:
        """Equal to the last one only if nothing was changed in between; costs next to nothing."""
        ...

    def records(self) -> tuple[KeyRecord, ...]:
        """All keys, in the order they were made."""
        ...

    def add(self, record: KeyRecord) -> None:
        """Keep a new key.

        Raises:
            Conflict: one with this id is there.
        """
        ...

    def revoke(self, key_id: str, at: float) -> None:
        """Note that a key is none any more; the first time counts.

        Raises:
            UnknownKey: there is none with this id.
        """
        ...

    def replace_hashes(
        self, key_id: str, old: tuple[HashedSecret, ...], new: tuple[HashedSecret, ...]
    ) -> None:
        """Keep other hashes of a key, if it has the old ones still.

        Raises:
            UnknownKey: there is none with this id.
            Conflict: somebody else has replaced them meanwhile.
        """
        ...

    def note_uses(self, used_at: Mapping[str, float]) -> None:
        """Note when keys were last used, by id; one that is not there is passed over."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class UnknownKey(Exception):
    """There is no key with this id."""
