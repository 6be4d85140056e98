"""What is held at once of what each key has so much of, its users together.

Owns both counts, of a key and of each of its users, and who of them has no more. A user has no
place that his key has not: whoever names users without end has no more than a key. And one user
never has all that his key has, but what ``room.py`` leaves him beside the others. Refuses to say
what a place is, and how whoever finds none is told. Pure.
"""

from collections import Counter

from vibecell.model.caller import Owner
from vibecell.sharing.room import room


class Held:
    """Counts of those who hold something; nobody else is remembered."""

    def __init__(self) -> None:
        self._held: Counter[Owner] = Counter()  # a key's has what its users have

    def __getitem__(self, owner: Owner) -> int:
        """How many this one holds; of a key with all its users."""
        return self._held[owner]

    def __len__(self) -> int:
        """Of how many owners something is remembered."""
        return len(self._held)

    @property
    def total(self) -> int:
        """How many all keys hold together."""
        return sum(count for owner, count in self._held.items() if owner.user is None)

    def full_for(self, owner: Owner, most: int) -> Owner | None:
        """Who may hold no more, if this one finds no place: his key, or he; else ``None``.

        Args:
            owner: who wants one more; what is a key's own is bounded as the key is.
            most: a key may hold, all its users together.
        """
        key = Owner(owner.key)
        of_key = self._held[key]
        if of_key >= most:
            return key
        if owner == key:
            return None
        held = self._held[owner]
        return owner if held >= room(most, of_key - held) else None

    def add(self, owner: Owner) -> None:
        """He holds one more, and so does his key."""
        self._held.update(_both(owner))

    def remove(self, owner: Owner) -> None:
        """He holds one fewer, and so does his key."""
        for each in _both(owner):
            self._held[each] -= 1
            if not self._held[each]:
                del self._held[each]


def _both(owner: Owner) -> set[Owner]:
    return {owner, Owner(owner.key)}
