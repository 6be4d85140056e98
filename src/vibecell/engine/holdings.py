"""Who keeps how much, and whose oldest is forgotten first where all is too much.

Owns sums by key, and by user of each key, and the rule by which a budget is shared: the key that
keeps most gives first, and of it the user that keeps most, each his oldest. A key's own is a
user's here. Refuses to know what is kept, and when its time is over. Pure.

Whoever keeps no more than an equal part gives nothing: of the budget by keys that keep something,
of a key's part by its users. Live logs count, and cannot be given. So where somebody's live ones
take more than what he leaves of the budget to the others, all are as many bytes more as these:
what has ended is never larger than the budget, and what lives is bounded as it always is.

Nothing is sorted. A heap has of each who could give a bound that he is not above, told anew when
he grows beyond it; whoever comes up with a bound that is too high is put back where he belongs.
"""

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

from vibecell.model.caller import Owner

_FEW = 64
_P = TypeVar("_P", bound="_Part")


class _Part:
    """What one has of a whole.

    Attributes:
        size_bytes: of all that he keeps.
        bound_bytes: he is ranked as if he kept so much.
        rank: number of the entry of the heap that says so; 0: he has nothing to give.
    """

    __slots__ = ("bound_bytes", "rank", "size_bytes")

    def __init__(self) -> None:
        self.size_bytes = self.bound_bytes = self.rank = 0


class _Ranking(Generic[_P]):
    """Those who could give something, whoever keeps most first."""

    __slots__ = ("_count", "_heap", "_made")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, _P]] = []
        self._count = self._made = 0

    def __len__(self) -> int:
        """How many have something to give."""
        return self._count

    def enter(self, part: _P) -> None:
        """He has something to give from now on."""
        self._count += 1
        self._add(part, part.size_bytes)

    def leave(self, part: _P) -> None:
        """He has nothing more to give."""
        self._count -= 1
        part.rank = 0
        self._clear_out()

    def grown(self, part: _P) -> None:
        """He keeps more than before."""
        if part.rank and part.size_bytes > part.bound_bytes:
            # a little more than it is, or each event of a program would come here
            self._add(part, part.size_bytes + part.size_bytes // 8)

    def _add(self, part: _P, bound_bytes: int) -> None:
        heapq.heappush(self._heap, self._entry(part, bound_bytes))
        self._clear_out()

    def _clear_out(self) -> None:
        """What says of somebody what is not so any more is never more than what is so."""
        if len(self._heap) > 2 * self._count + _FEW or not self._count:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].rank]
            heapq.heapify(self._heap)

    def _entry(self, part: _P, bound_bytes: int) -> tuple[int, int, _P]:
        self._made += 1
        part.bound_bytes, part.rank = bound_bytes, self._made
        return -bound_bytes, self._made, part

    def first(
        self, is_above: Callable[[_P], bool], given: Callable[[_P], str | None]
    ) -> str | None:
        """What the first gives who gives something, of those that are above their part.

        Passed over is who keeps so much in what lives alone: no more than live at once.
        """
        passed = []
        found = None
        while found is None and (part := self._largest()) is not None and is_above(part):
            found = given(part)
            if found is None:
                passed.append(heapq.heappop(self._heap))
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return found

    def _largest(self) -> _P | None:
        while self._heap:
            _, number, part = self._heap[0]
            if number != part.rank:
                heapq.heappop(self._heap)
            elif part.bound_bytes == part.size_bytes:
                return part
            else:
                heapq.heapreplace(self._heap, self._entry(part, part.size_bytes))
        return None


class _Holder(_Part):
    """One user of a key, or what is the key's own.

    Attributes:
        names: of what he could give, the oldest first, behind those that are gone.
        gone: how many are.
    """

    __slots__ = ("gone", "names")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.gone = 0

    def oldest(self) -> str:
        """Of what he could give."""
        return self.names[self.gone]


class _Key(_Part):
    """All that is kept of one key."""

    __slots__ = ("ranking", "users")

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str | None, _Holder] = {}
        self.ranking: _Ranking[_Holder] = _Ranking()


class Holdings:
    """The sums of all owners; nobody who keeps nothing is remembered.

    Attributes:
        size_bytes: of all that is kept.
    """

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._ranking: _Ranking[_Key] = _Ranking()
        self.size_bytes = 0

    def __len__(self) -> int:
        """How many keys and users are remembered."""
        return len(self._keys) + sum(len(key.users) for key in self._keys.values())

    def of(self, owner: Owner) -> int:
        """Bytes of what this one keeps; of a key's own without its users'."""
        key = self._keys.get(owner.key)
        holder = None if key is None else key.users.get(owner.user)
        return 0 if holder is None else holder.size_bytes

    def add(self, owner: Owner, size_bytes: int) -> None:
        """What is an owner's takes so many bytes more."""
        key = self._keys.get(owner.key)
        if key is None:
            key = self._keys[owner.key] = _Key()
        holder = key.users.get(owner.user)
        if holder is None:
            holder = key.users[owner.user] = _Holder()
        self.size_bytes += size_bytes
        key.size_bytes += size_bytes
        holder.size_bytes += size_bytes
        self._ranking.grown(key)
        key.ranking.grown(holder)

    def ended(self, owner: Owner, name: str) -> None:
        """Something of his, which takes bytes already, could be given from now on."""
        key = self._keys[owner.key]
        holder = key.users[owner.user]
        holder.names.append(name)
        if not holder.rank:
            key.ranking.enter(holder)
        if not key.rank:
            self._ranking.enter(key)

    def forgotten(self, owner: Owner, size_bytes: int) -> None:
        """The oldest of what he could give is gone, which took so many bytes."""
        key = self._keys[owner.key]
        holder = key.users[owner.user]
        holder.gone += 1
        if 2 * holder.gone > len(holder.names):
            del holder.names[: holder.gone]
            holder.gone = 0
        self.size_bytes -= size_bytes
        key.size_bytes -= size_bytes
        holder.size_bytes -= size_bytes
        if not holder.names:
            key.ranking.leave(holder)
            if not len(key.ranking):
                self._ranking.leave(key)
        if not holder.size_bytes:
            del key.users[owner.user]
            if not key.users:
                del self._keys[owner.key]

    def excess(self, budget_bytes: int) -> str | None:
        """What is to be forgotten next; ``None``: nothing, or nobody keeps more than his part."""
        if self.size_bytes <= budget_bytes:
            return None
        keys = len(self._keys)

        def of_key(key: _Key) -> str | None:
            parts = keys * len(key.users)
            return key.ranking.first(lambda user: user.size_bytes * parts > budget_bytes, _oldest)

        return self._ranking.first(lambda key: key.size_bytes * keys > budget_bytes, of_key)


def _oldest(holder: _Holder) -> str:
    return holder.oldest()
