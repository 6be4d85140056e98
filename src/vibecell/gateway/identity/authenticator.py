"""From what a request presents to who asks.

Owns the one way in: which credential came, whose it is, whether it is good for what is asked, and
how often one address may guess. Refuses to lock out whoever is right: others may guess from behind
the same proxy.

What is wrong is told apart only for who holds the whole of a credential. Whoever guesses is told
one thing, whatever he comes near to.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.exceptions import Forbidden

from vibecell.gateway.host_names import check_host
from vibecell.gateway.http.connection import Connection, network_of
from vibecell.gateway.identity.narrowing import ANONYMOUS, Derived, anonymous_caller, caller_of_key
from vibecell.gateway.identity.permissions import Operation, require_permitted, require_scope
from vibecell.gateway.identity.presented import Kind, Presented, presented_by
from vibecell.gateway.identity.provider_tokens import ProviderTokens
from vibecell.gateway.identity.tickets import Ticket, Tickets, TicketStore
from vibecell.gateway.identity.tokens import Minted, ReadToken, Tokens
from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import notes_of
from vibecell.gateway.rates import PerMinute
from vibecell.model.caller import Caller
from vibecell.model.errors import (
    ExpiredCredential,
    LimitReached,
    MalformedCredential,
    MissingCredential,
    RevokedCredential,
    StoreUnavailable,
    WrongCredential,
)
from vibecell.sharing.key_ring import KeyRing

_NEEDED = "a credential is required: Authorization: Bearer <key or token>"
#: Is called with what is wrong with a credential that had been good, its kind, and who showed it.
NoteDead = Callable[[ExpiredCredential | RevokedCredential, Kind, Connection], None]


class Authenticator:
    """Turns what requests present into callers.

    Args:
        policy: what an address may try.
        keys: all there are.
        tickets: those that wait.
        providers: whose tokens are good here, too.
        clock: seconds since 1970.
        note_dead: is told of each credential that had been good, and where it came from.

    Attributes:
        tokens: makes and reads them.
    """

    def __init__(
        self,
        policy: Policy,
        keys: KeyRing,
        tickets: TicketStore,
        providers: ProviderTokens,
        clock: Callable[[], float] = time.time,
        note_dead: NoteDead = lambda error, kind, connection: None,
    ) -> None:
        self._keys, self._clock = keys, clock
        self._note_dead = note_dead
        self._local_names_only = policy.local_names_only
        self.tokens = Tokens(keys)
        self._providers = providers
        self._tickets = Tickets(keys, tickets)
        self._wrong = PerMinute(policy.wrong_keys_per_minute)

    def caller(self, environ: Mapping[str, Any], operation: Operation) -> Caller:
        """Who makes a request, and may.

        Raises:
            Unauthenticated: nothing was presented that is needed, or it is not good.
            NotPermitted: it is not good for that.
            Forbidden: there are no keys, and the peer is not on this machine.
            LimitReached: this address guessed too often.
            StoreUnavailable: keys cannot be read.
        """
        connection = environ["vibecell.handler"].connection
        caller = self._caller(environ, connection, operation)
        connection.owner = caller.owner
        notes_of(connection).account = caller.account
        require_permitted(caller, operation)
        return caller

    def require_alive(self, caller: Caller) -> None:
        """Refuse one who was let in, and whose key or token has died since.

        Nor does who showed none outlive the first key, which shuts the door to him. Where keys
        cannot be read, what goes on goes on.

        Raises:
            ExpiredCredential, RevokedCredential: it has.
            MissingCredential: there are keys now, and he showed none.
        """
        if caller.expires_at is not None and self._clock() >= caller.expires_at:
            raise ExpiredCredential("the token has expired")
        with contextlib.suppress(StoreUnavailable):
            if caller.owner.key != ANONYMOUS:
                self._keys.of_id(caller.owner.key)
            elif not self._keys.anonymous_is_open():
                raise MissingCredential(_NEEDED)

    def ticket(self, caller: Caller, execution_id: str | None) -> Minted:
        """A ticket by which this caller comes once more, for one purpose.

        Raises:
            NotPermitted: he could not do it himself.
            LimitReached, QueueFull: there are too many.
        """
        require_scope(caller, "execute" if execution_id is None else "read")
        ticket = Ticket(Derived.whole_of(caller), caller.owner, execution_id)
        return self._tickets.issue(ticket, caller.expires_at)

    def _caller(
        self, environ: Mapping[str, Any], connection: Connection, operation: Operation
    ) -> Caller:
        # where nobody needs one, a key is a proxy's own or was meant for elsewhere
        needless = not self._keys.has_keys and self._keys.anonymous_is_open()
        try:
            presented = presented_by(environ, tickets_only=needless)
            if presented is None:
                return self._unnamed(environ, connection)
            return self._known(presented, environ, connection, operation)
        except (MalformedCredential, WrongCredential):
            self._require_patience(connection)
            self._wrong.count(network_of(connection.client))
            raise

    def _known(
        self,
        presented: Presented,
        environ: Mapping[str, Any],
        connection: Connection,
        operation: Operation,
    ) -> Caller:
        try:
            return self._alive(presented, environ, connection, operation)
        except (ExpiredCredential, RevokedCredential) as error:
            self._note_dead(error, presented.kind, connection)
            raise

    def _alive(
        self,
        presented: Presented,
        environ: Mapping[str, Any],
        connection: Connection,
        operation: Operation,
    ) -> Caller:
        if presented.kind == "key":
            return caller_of_key(self._keys.of_text(presented.text))
        if presented.kind == "token":
            read = self._read(presented.text)
            derived = replace(read.derived, expires_at=read.expires_at)
        else:
            derived = self._tickets.take(presented.text, operation)
        if derived.key is None:
            self._unnamed(environ, connection)  # who is let in no longer, or not from there
            return anonymous_caller("ticket")
        return derived.caller(self._keys.of_id(derived.key), presented.kind)

    def _read(self, token: str) -> ReadToken:
        issuer = self._providers if self._providers.knows(token) else self.tokens
        return issuer.read(token)

    def _unnamed(self, environ: Mapping[str, Any], connection: Connection) -> Caller:
        """Who presents nothing."""
        if connection.is_local and self._keys.anonymous_is_open():
            # beside keys any name is served, but whoever shows none by a name of ours alone
            check_host(environ.get("HTTP_HOST", "localhost"), self._local_names_only)
            return anonymous_caller()
        if not connection.is_local and not self._keys.has_keys:
            raise Forbidden("without API keys only this machine is served")
        self._require_patience(connection)
        raise MissingCredential(_NEEDED)

    def _require_patience(self, connection: Connection) -> None:
        wait_s = self._wrong.wait_s(network_of(connection.client))
        if wait_s > 0:
            raise LimitReached("too many wrong credentials from this address", math.ceil(wait_s))
