"""How much of request bodies is held at once, by whom.

Owns the sums of what has come of bodies that are being received, or asked for something that
is not answered yet; refuses more with 429 to whom they would be too many, and with 503 where the
others have left no room. A body is held by who asks, his key's users together
(``sharing/room.py``), and where nobody has shown who he is, by his address: all these are to each
other as a key's users are. What a key's users fill together leaves some to what is asked for with
the key itself.
"""

from vibecell.gateway.http.connection import Connection, network_of
from vibecell.model.caller import Owner
from vibecell.model.errors import LimitReached, QueueFull
from vibecell.sharing.held import Held
from vibecell.sharing.room import room

_NOBODY = ""  # no key has this id


class BodyRooms:
    """The sums of one server.

    Args:
        limit_bytes: of all bodies together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held = Held()
        self._of_users = Held()  # as it says, of these

    @property
    def held_bytes(self) -> int:
        """Of all bodies together, at this moment."""
        return self._held.total

    def take(self, connection: Connection, size_bytes: int) -> Owner:
        """Make room for so many bytes more of a body; returns by whom they are held.

        Raises:
            LimitReached, QueueFull: as ``require_room``.
        """
        holder = self.require_room(connection, size_bytes)
        self._held.add(holder, size_bytes)
        if holder.user is not None:
            self._of_users.add(holder, size_bytes)
        return holder

    def require_room(self, connection: Connection, size_bytes: int) -> Owner:
        """Make sure of room for so many bytes more now; returns by whom they would be held.

        Raises:
            LimitReached: with them he, his key or his address would hold too many.
            QueueFull: he holds none, and finds no room.
        """
        holder = connection.owner or Owner(_NOBODY, network_of(connection.client))
        key = Owner(holder.key)
        of_key = self._held[key]
        for_key = room(self._limit_bytes, self._held.total - of_key)
        if of_key + size_bytes > for_key:
            raise self._too_many("address" if holder.key == _NOBODY else "key", of_key)
        if holder.user is not None:
            of_users, of_user = self._of_users[key], self._of_users[holder]
            for_users = room(for_key, of_key - of_users)
            if of_user + size_bytes > room(for_users, of_users - of_user):
                raise self._too_many("address" if holder.key == _NOBODY else "user", of_user)
        return holder

    def give_back(self, holder: Owner, size_bytes: int) -> None:
        """So many bytes are held no more."""
        self._held.remove(holder, size_bytes)
        if holder.user is not None:
            self._of_users.remove(holder, size_bytes)

    @staticmethod
    def _too_many(whose: str, held_bytes: int) -> LimitReached | QueueFull:
        if not held_bytes:
            return QueueFull("there is no room for the body of a request now")
        return LimitReached(f"bodies of requests that are under way for this {whose} are too large")
