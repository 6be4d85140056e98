"""Connections on which nothing is asked, and which of them go when room is short.

Owns their order; refuses to know how many there may be, and to end one in the
middle of a request.
"""

import time

from vibecell.gateway.http.connection import Connection, Ending

#: The rest of what has begun to come may be as late as this, where room is short.
LATE_S = 1.0
#: Looked at for one that is closed: some have just been sent a request.
_TRIES = 8


class IdleConnections:
    """Who waits for a request, longest first, and which strangers for the rest of one."""

    def __init__(self) -> None:
        self._unknown: dict[Connection, float] = {}
        self._known: dict[Connection, float] = {}
        self._unfinished: dict[Connection, float] = {}
        self._closing: set[Connection] = set()

    def waits(self, connection: Connection) -> None:
        """It waits for the first byte of a request."""
        (self._known if connection.known else self._unknown)[connection] = 0.0

    def has(self, connection: Connection) -> bool:
        """Whether nothing of a request has come on it since the last one was answered."""
        waits = connection in self._unknown or connection in self._known
        return waits and not connection.has_input()

    def begins(self, connection: Connection) -> None:
        """The first byte of a header, or of a body that nobody reads, is there; the rest is not."""
        self._forget(connection)
        if not connection.known:
            self._unfinished[connection] = time.monotonic()

    def is_busy(self, connection: Connection) -> None:
        """The header is whole, or such a body has ended."""
        self._unfinished.pop(connection, None)

    def ended(self, connection: Connection) -> None:
        """The connection is no more."""
        self._forget(connection)
        self._unfinished.pop(connection, None)
        self._closing.discard(connection)

    def _forget(self, connection: Connection) -> None:
        (self._known if connection.known else self._unknown).pop(connection, None)

    def make_room(self, wanted: int) -> int:
        """End so many, less those that are ending already; returns how many are ended now.

        First those on which no owner has ever asked, then the other idle ones,
        and last those of strangers whose header, or refused body, does not come to its end.
        """
        wanted -= len(self._closing)
        late = time.monotonic() - LATE_S
        chosen: list[Connection] = []
        for waiting in (self._unknown, self._known, self._unfinished):
            tries = wanted - len(chosen) + _TRIES
            for connection, since_s in waiting.items():
                if len(chosen) >= wanted or tries <= 0 or since_s > late:
                    break
                tries -= 1
                if waiting is self._unfinished or not connection.has_input():
                    chosen.append(connection)
        for connection in chosen:
            self.ended(connection)
            self._closing.add(connection)
            connection.end(Ending.ROOM)
        return len(chosen)
