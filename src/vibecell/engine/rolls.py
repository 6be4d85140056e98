"""In which order the executions of each owner began.

Owns one list for each key, and one for each of its users, from which any page is read without
looking at what is anybody else's; refuses to know more of an execution than its name. One
that is forgotten leaves a gap, and gaps are never more than what is left.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from vibecell.model.caller import Owner


class _Roll:
    """Names by rising numbers."""

    __slots__ = ("_gaps", "_names", "_numbers")

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._names: list[str | None] = []
        self._gaps = 0

    def __bool__(self) -> bool:
        return self._gaps < len(self._names)

    def add(self, number: int, name: str) -> None:
        self._numbers.append(number)
        self._names.append(name)

    def forget(self, number: int) -> None:
        self._names[bisect_left(self._numbers, number)] = None
        self._gaps += 1
        if 2 * self._gaps > len(self._names):
            left = [at for at, name in enumerate(self._names) if name is not None]
            self._numbers = array("Q", (self._numbers[at] for at in left))
            self._names = [self._names[at] for at in left]
            self._gaps = 0

    def newest_first(self, before: int) -> Iterator[tuple[int, str | None]]:
        for at in reversed(range(bisect_left(self._numbers, before))):
            yield self._numbers[at], self._names[at]


class Rolls:
    """Every owner's executions, by when they began.

    Numbers are given by the caller, each larger than all before.
    """

    def __init__(self) -> None:
        self._rolls: dict[Owner, _Roll] = {}

    def __len__(self) -> int:
        return len(self._rolls)

    def add(self, owner: Owner, number: int, name: str) -> None:
        """Enter one that begins."""
        for each in _readers(owner):
            roll = self._rolls.get(each)
            if roll is None:
                roll = self._rolls[each] = _Roll()
            roll.add(number, name)

    def forget(self, owner: Owner, number: int) -> None:
        """Strike one out that is there."""
        for each in _readers(owner):
            roll = self._rolls[each]
            roll.forget(number)
            if not roll:
                del self._rolls[each]

    def newest_first(self, owner: Owner, before: int) -> Iterator[tuple[int, str | None]]:
        """Numbers below ``before`` and their names, ``None`` for a gap; nothing may be added or
        struck out meanwhile.
        """
        roll = self._rolls.get(owner)
        return iter(()) if roll is None else roll.newest_first(before)


def _readers(owner: Owner) -> tuple[Owner, ...]:
    """Who is shown what is an owner's: he, and the key whose user he is."""
    return (owner,) if owner.user is None else (owner, Owner(owner.key))
