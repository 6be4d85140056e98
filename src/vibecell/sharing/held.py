"""What is held at once of what each key has so much of, its users together.

Owns both counts, of a key and of each of its users, and who of them has no more. A user has no
place that his key has not: whoever names users without end has no more than a key. And one user
never has all that his key has, but what ``room.py`` leaves him beside the others. Refuses to say
what a place is, and how whoever finds none is told. Pure.
"""

from typing import Literal

from vibecell.model.caller import Owner
from vibecell.model.names import KeyId
from vibecell.sharing.room import room


class Held:
    """Counts of those who hold something; nobody else is remembered.

    Attributes:
        total: how many all keys hold together.
    """

    def __init__(self) -> None:
        self.total = 0
        self._of_keys: dict[KeyId, int] = {}  # each with its users
        self._of_users: dict[Owner, int] = {}

    def __getitem__(self, owner: Owner) -> int:
        """How many this one holds; of a key with all its users."""
        if owner.user is None:
            return self._of_keys.get(owner.key, 0)
        return self._of_users.get(owner, 0)

    def __len__(self) -> int:
        """Of how many keys and users something is remembered."""
        return len(self._of_keys) + len(self._of_users)

    def full_for(self, owner: Owner, most: int) -> Literal["key", "user"] | None:
        """Who may hold no more, if this one finds no place: his key, or he; else ``None``.

        Args:
            owner: who wants one more; what is a key's own is bounded as the key is.
            most: a key may hold, all its users together.
        """
        of_key = self._of_keys.get(owner.key, 0)
        if of_key >= most:
            return "key"
        if owner.user is None:
            return None
        held = self._of_users.get(owner, 0)
        return "user" if held >= room(most, of_key - held) else None

    def add(self, owner: Owner, count: int = 1) -> None:
        """He holds so many more, and so does his key."""
        self.total += count
        self._of_keys[owner.key] = self._of_keys.get(owner.key, 0) + count
        if owner.user is not None:
            self._of_users[owner] = self._of_users.get(owner, 0) + count

    def remove(self, owner: Owner, count: int = 1) -> None:
        """He holds so many fewer, and so does his key."""
        self.total -= count
        self._of_keys[owner.key] -= count
        if not self._of_keys[owner.key]:
            del self._of_keys[owner.key]
        if owner.user is None:
            return
        self._of_users[owner] -= count
        if not self._of_users[owner]:
            del self._of_users[owner]
