"""Tickets: what stands in a URL for seconds, and is good once.

Owns making and taking them, and the port to what keeps those that wait. A ticket has its end and
a signature in itself, so one that is late or was used is told apart from a guess, and a guess
costs no look at what is kept. Refuses to judge who comes with it: that is asked again of its key.

A ticket is good for one kind of request: to follow one execution, or to begin one by WebSocket.
Whoever shows it elsewhere has used it, too.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vibecell.gateway.identity.narrowing import Derived
from vibecell.gateway.identity.permissions import Operation
from vibecell.gateway.identity.tokens import Minted
from vibecell.model.caller import Owner
from vibecell.model.errors import ExpiredCredential, NotPermitted, WrongCredential
from vibecell.sharing.key_ring import KeyRing

LIFETIME_S = 30
_CHANCE_BYTES = 24  # 192 bits
_END_BYTES = 8
_SIGNATURE_BYTES = 16
_LABEL = b"vibecell: signature of a ticket"
_WRONG = "the ticket is not known"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is kept of one.

    Attributes:
        derived: on whose behalf.
        owner: by whom it was made, who may have so many.
        execution_id: which execution it is to follow; ``None``: it is to begin one.
    """

    derived: Derived
    owner: Owner
    execution_id: str | None


class TicketStore(Protocol):
    """What keeps tickets that wait, by the digest of their text, which is not kept.

    1. Of all calls of ``take`` for one ticket, in whatever process, one gets it.
    2. What is late is never given.
    3. So many of one owner, of one key, and in all: whoever makes too many is refused alone, and
       all users of a key together leave room to the key itself.
    """

    def add(self, digest: bytes, ticket: Ticket, lifetime_s: float) -> None:
        """Keep one.

        Raises:
            LimitReached: the owner, or its key, has too many.
            QueueFull: there are too many in all.
        """
        ...

    def take(self, digest: bytes) -> Ticket | None:
        """The ticket, which is no longer kept; ``None`` where there is none."""
        ...


class Tickets:
    """Makes tickets and takes them.

    Args:
        keys: whose secret signs them.
        store: of those that wait.
        clock: seconds since 1970.
    """

    def __init__(
        self, keys: KeyRing, store: TicketStore, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys, self._store, self._clock = keys, store, clock

    def issue(self, ticket: Ticket, no_later_than: float | None = None) -> Minted:
        """A ticket's text, and its end.

        Args:
            no_later_than: when what it derives from expires.

        Raises:
            LimitReached, QueueFull: there are too many.
        """
        now = self._clock()
        end = now + LIFETIME_S
        if no_later_than is not None:
            end = min(end, no_later_than)
        said = int(end * 1000).to_bytes(_END_BYTES, "big") + secrets.token_bytes(_CHANCE_BYTES)
        signature = _signature(self._keys.signing_secrets[0], said)
        text = base64.urlsafe_b64encode(said + signature).decode()
        self._store.add(_digest(text), ticket, end - now)
        return Minted(text, end)

    def take(self, text: str, operation: Operation) -> Derived:
        """On whose behalf a ticket is shown; it is used from here on.

        Raises:
            WrongCredential: it was not made here.
            ExpiredCredential: it is late, or was used.
            NotPermitted: it is for something else.
        """
        end = self._end(text)
        ticket = self._store.take(_digest(text))
        if self._clock() >= end:
            raise ExpiredCredential("the ticket has expired")
        if ticket is None:
            raise ExpiredCredential("the ticket was used; one is good once")
        if not operation.need.by_ticket or operation.execution_id != ticket.execution_id:
            raise NotPermitted("the ticket is for something else, and is used now")
        return ticket.derived

    def _end(self, text: str) -> float:
        try:
            data = base64.b64decode(text, altchars=b"-_", validate=True)
        except ValueError as error:
            raise WrongCredential(_WRONG) from error
        said, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
        signed = [
            hmac.compare_digest(_signature(secret, said), signature)
            for secret in self._keys.signing_secrets
        ]
        if not any(signed):
            raise WrongCredential(_WRONG)
        return int.from_bytes(said[:_END_BYTES], "big") / 1000


def _signature(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, _LABEL + said, "sha256")[:_SIGNATURE_BYTES]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
