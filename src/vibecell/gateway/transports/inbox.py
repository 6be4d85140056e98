"""What was received and nobody has taken yet, bounded in bytes.

Owns the order of such items, their end, and the sums: of one queue, of one
connection, of one owner's connections together, of all users of a key. Refuses to
drop what it took: the end comes after everything that came before it.

Messages are counted in bytes because their number bounds nothing: four of them
may be a hundred bytes or four megabytes.
"""

import time
from collections import deque
from typing import Generic, TypeVar

from gevent.event import Event

from vibecell.sharing.room import room as room_beside

# Beside its bytes an item costs objects; many small ones would be free without it.
ITEM_BYTES = 256

_Item = TypeVar("_Item")


class Room:
    """Bytes that may be held for one owner at once.

    Args:
        limit_bytes: of all connections together.
        of_key: what all users of the owner's key hold together, of which one never has all;
            ``None``: nobody shares.

    Attributes:
        held_bytes: at this moment.
    """

    def __init__(self, limit_bytes: int, of_key: "Room | None" = None) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._of_key = of_key
        self._waiting: set[Event] = set()

    @property
    def left_bytes(self) -> int:
        """So many more may be held now."""
        most = self.limit_bytes
        if self._of_key is not None:
            others_bytes = self._of_key.held_bytes - self.held_bytes
            most = min(most, room_beside(self._of_key.limit_bytes, others_bytes))
        return max(0, most - self.held_bytes)

    def change(self, size_bytes: int) -> None:
        """Hold so many bytes more, or fewer; whoever waits looks again where it may help."""
        self.held_bytes += size_bytes
        if self._of_key is not None:
            self._of_key.change(size_bytes)
        if size_bytes <= 0:  # 0: of what one connection has free
            for waiter in self._waiting:
                waiter.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until less is held; tells whether it was so in time."""
        if self._of_key is not None:
            return self._of_key.wait(timeout_s)  # it changes with each of its users
        waiter = Event()
        self._waiting.add(waiter)
        try:
            return bool(waiter.wait(timeout_s))
        finally:
            self._waiting.discard(waiter)


class Hold:
    """What one connection holds.

    The first ``free_bytes`` are never waited for, so that small messages pass
    whatever large ones do to their owner's room; beyond them it takes of that.

    Args:
        room: the owner's.
        free_bytes: of this connection, not counted there.
    """

    def __init__(self, room: Room, free_bytes: int) -> None:
        self._room = room
        self._free_bytes = free_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int, timeout_s: float) -> None:
        """Hold more; waits while the owner has no room.

        Raises:
            TimeoutError: there was none in time.
        """
        end = time.monotonic() + timeout_s
        while self._counted(size_bytes) > self._room.left_bytes:
            left_s = end - time.monotonic()
            if left_s <= 0 or not self._room.wait(left_s):
                raise TimeoutError("no room for what this owner sends")
        self.add(size_bytes)

    def add(self, size_bytes: int) -> None:
        """Hold more at once: what was received becomes something else."""
        counted = self._counted(size_bytes)
        self.held_bytes += size_bytes
        self._room.change(counted)

    def give(self, size_bytes: int) -> None:
        """Hold less."""
        self.add(-size_bytes)

    def _counted(self, size_bytes: int) -> int:
        """By how much the owner's sum changes with this."""
        free = self._free_bytes
        return max(0, self.held_bytes + size_bytes - free) - max(0, self.held_bytes - free)


class Arriving:
    """What is held for a message that is not whole yet.

    For a small one it is what has arrived; for a large one all it may need, from the
    moment it is one: many that wait in their middle, each for room that the others
    hold, would wait for ever.

    Args:
        hold: of the connection it arrives on.
        small_bytes: up to which one is small.
        largest_bytes: what one may need.
    """

    def __init__(self, hold: Hold, small_bytes: int, largest_bytes: int) -> None:
        self._hold = hold
        self._small_bytes = small_bytes
        self._largest_bytes = largest_bytes
        self._held_bytes = 0

    def grow(self, arrived_bytes: int, timeout_s: float) -> None:
        """So much is about to have arrived; waits as ``Hold.take`` does, and raises so."""
        wanted_bytes = self._wanted(arrived_bytes)
        self._hold.take(wanted_bytes - self._held_bytes, timeout_s)
        self._held_bytes = wanted_bytes

    def became_whole(self, size_bytes: int) -> None:
        """So much of it is a message now, which others hold."""
        self._set(max(0, self._held_bytes - size_bytes))

    def change(self, arrived_bytes: int) -> None:
        """So much has arrived and is no whole message."""
        self._set(self._wanted(arrived_bytes))

    def _wanted(self, arrived_bytes: int) -> int:
        if arrived_bytes <= self._small_bytes:
            return arrived_bytes
        return max(arrived_bytes, self._largest_bytes)

    def _set(self, held_bytes: int) -> None:
        self._hold.add(held_bytes - self._held_bytes)
        self._held_bytes = held_bytes


class Inbox(Generic[_Item]):
    """Items in the order they came, for one sender and one receiver.

    Takes a further item while it holds less than its bound, so one item may
    reach beyond it. What was taken last counts until the next one is.

    Args:
        limit_bytes: see above.
        hold: of the connection it belongs to.
    """

    def __init__(self, limit_bytes: int, hold: Hold) -> None:
        self._limit_bytes = limit_bytes
        self._hold = hold
        self._items: deque[tuple[_Item, int]] = deque()
        self._taken_bytes = 0
        self._ended = False
        self._filled = Event()
        self._emptied = Event()
        self.held_bytes = 0

    def put(self, item: _Item, size_bytes: int, timeout_s: float) -> None:
        """Add an item; waits while there is no room. After the end it is nothing.

        Raises:
            TimeoutError: there was no room in time.
        """
        end = time.monotonic() + timeout_s
        while self.held_bytes >= self._limit_bytes and not self._ended:
            self._emptied.clear()
            left_s = end - time.monotonic()
            if left_s <= 0 or not self._emptied.wait(left_s):
                raise TimeoutError("nobody takes what was sent")
        if self._ended:
            return
        self._items.append((item, size_bytes + ITEM_BYTES))
        self._change(size_bytes + ITEM_BYTES)
        self._filled.set()

    def get(self, timeout_s: float | None = None) -> _Item | None:
        """The next item; ``None``, then and for ever, after the last one.

        Raises:
            TimeoutError: none came in time.
        """
        self._let_go()
        while not self._items:
            if self._ended:
                return None
            self._filled.clear()
            if not self._filled.wait(timeout_s):
                raise TimeoutError
        item, self._taken_bytes = self._items.popleft()
        return item

    def end(self) -> None:
        """Nothing more comes; what is there can still be taken. Idempotent."""
        self._ended = True
        self._filled.set()
        self._emptied.set()

    def drop(self) -> None:
        """Nobody takes anything any more."""
        self.end()
        self._items.clear()
        self._taken_bytes = self.held_bytes
        self._let_go()

    def _let_go(self) -> None:
        if self._taken_bytes:
            size_bytes, self._taken_bytes = self._taken_bytes, 0
            self._change(-size_bytes)
            self._emptied.set()

    def _change(self, size_bytes: int) -> None:
        self.held_bytes += size_bytes
        self._hold.add(size_bytes)
