"""Where a ring's views come from.

Owns looking for what has changed and settling what a ring owes, over a store and the server's
secrets. Refuses loops and threads: each call may wait for a disk, and whoever has a loop makes it
in a thread, one at a time.
"""

import contextlib
from collections.abc import Callable

from vibecell.model.errors import Conflict
from vibecell.sharing.key_ring import KeyView, Owed
from vibecell.sharing.key_store import KeyStore, UnknownKey
from vibecell.sharing.server_secrets import ServerSecrets


class KeySource:
    """Views of one store.

    Args:
        store: has the keys.
        secrets: reads the server's; raises ``PlatformError`` where it cannot.
    """

    def __init__(self, store: KeyStore, secrets: Callable[[], ServerSecrets]) -> None:
        self._store = store
        self._secrets = secrets
        self._seen: tuple[object, ServerSecrets] | None = None

    def view(self) -> KeyView:
        """What there is now.

        Raises:
            StoreUnavailable: it cannot be read, or its keys are hashed by secrets that are not
                among the server's, none of them.
        """
        self._seen = None
        view = self.look()
        assert view is not None
        return view

    def look(self) -> KeyView | None:
        """What there is, if it is not what was there the last time; raises likewise."""
        # in this order: what changes in between is read now, and once more the next time
        seen = (self._store.version(), self._secrets())
        if seen == self._seen:
            return None
        view = KeyView(self._store.records(), seen[1])
        self._seen = seen
        return view

    def settle(self, owed: Owed) -> None:
        """Write what a ring owes; raises ``StoreUnavailable``."""
        for key_id, (old, new) in owed.rehashed.items():
            # rotated meanwhile: then another hash of it is due, when it is used again
            with contextlib.suppress(Conflict, UnknownKey):
                self._store.replace_hashes(key_id, old, new)
        if owed.used_at:
            self._store.note_uses(owed.used_at)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
