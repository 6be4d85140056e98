"""Tickets that wait, in this process.

Owns the adapter of ``TicketStore`` without anything beside it. Refuses to outlive its process:
who has a ticket of a gateway that was started anew asks for another.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from vibecell.gateway.identity.tickets import LIFETIME_S, Ticket
from vibecell.model.caller import Owner
from vibecell.model.errors import LimitReached, QueueFull
from vibecell.model.names import KeyId

#: A page needs a ticket for each stream that it opens, and uses it at once.
MAX_OF_OWNER = 64
MAX_OF_KEY = 4_096
#: And all its users together, so that the key itself always finds room.
MAX_OF_USERS = 3_072
MAX_IN_ALL = 65_536


@dataclass(frozen=True, slots=True)
class _Waiting:
    ticket: Ticket
    until_s: float
    made_s: float


class MemoryTickets:
    """Tickets in a dictionary, in the order they were made.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self._of_owner: Counter[Owner] = Counter()
        self._of_key: Counter[KeyId] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, digest: bytes, ticket: Ticket, lifetime_s: float) -> None:
        """Keep one; see ``TicketStore.add``."""
        now_s = self._monotonic()
        self._forget_before(now_s - LIFETIME_S)
        owner = ticket.owner
        of_key, of_itself = self._of_key[owner.key], self._of_owner[Owner(owner.key)]
        is_full = of_key >= MAX_OF_KEY
        if owner.user is not None:
            is_full = is_full or of_key - of_itself >= MAX_OF_USERS
        if is_full or self._of_owner[owner] >= MAX_OF_OWNER:
            raise LimitReached("too many tickets of yours wait to be used", LIFETIME_S)
        if len(self._waiting) >= MAX_IN_ALL:
            raise QueueFull("too many tickets wait to be used", LIFETIME_S)
        self._waiting[digest] = _Waiting(ticket, now_s + lifetime_s, now_s)
        self._of_owner[owner] += 1
        self._of_key[owner.key] += 1

    def take(self, digest: bytes) -> Ticket | None:
        """The ticket, which is no longer kept; see ``TicketStore.take``."""
        waiting = self._waiting.pop(digest, None)
        if waiting is None:
            return None
        self._uncount(waiting.ticket.owner)
        return waiting.ticket if self._monotonic() < waiting.until_s else None

    def _forget_before(self, made_s: float) -> None:
        while self._waiting:
            digest, first = next(iter(self._waiting.items()))
            if first.made_s > made_s:
                return
            del self._waiting[digest]
            self._uncount(first.ticket.owner)

    def _uncount(self, owner: Owner) -> None:
        self._of_owner[owner] -= 1
        if not self._of_owner[owner]:
            del self._of_owner[owner]
        self._of_key[owner.key] -= 1
        if not self._of_key[owner.key]:
            del self._of_key[owner.key]
