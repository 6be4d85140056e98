"""Who is asking.

Owns what a request shows; which keys there are is ``sharing``'s. Refuses to grant anything
by a header other than ``Authorization`` (forwarded addresses are not read) or
by a key in a URL.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from vibecell.gateway.host_names import check_host
from vibecell.gateway.http.connection import network_of
from vibecell.gateway.moving_window import MovingWindow
from vibecell.gateway.policy import Policy
from vibecell.model.caller import SCOPES, Account, Caller, Owner, Scope
from vibecell.model.errors import ExpiredCredential, RevokedCredential, WrongCredential
from vibecell.model.loopback import is_loopback
from vibecell.sharing.key_ring import KeyRing

ANONYMOUS = "local"
KEY_PROTOCOL = "vibecell.key."
_BEARER = re.compile(r"bearer ([!-+\--~]{1,512})\Z", re.IGNORECASE)


class Authenticator:
    """Turns a request's credentials into a caller.

    Args:
        policy: what an address may try.
        keys: those there are; ``None``: the policy's alone.
    """

    def __init__(self, policy: Policy, keys: KeyRing | None = None) -> None:
        self._keys = keys or KeyRing(policy.api_keys, policy.anonymous)
        self._local_names_only = policy.local_names_only
        self._wrong = MovingWindow(policy.wrong_keys_per_minute)

    def caller(self, environ: Mapping[str, Any], scope: Scope | None = None) -> Caller:
        """Who makes a request.

        Args:
            scope: which the credential must have; ``None``: none in particular.

        Raises:
            Unauthorized: no key, more than one, or a wrong one.
            Forbidden: no key is configured and the peer is not on this machine, or the
                credential has not that scope.
            TooManyRequests: this address tried too many wrong keys.
            StoreUnavailable: keys cannot be read, so nobody is known by one.
        """
        connection = environ["vibecell.handler"].connection
        caller = self._caller(environ, connection.peer)
        connection.owner = caller.owner
        if scope is not None and scope not in caller.scopes:
            raise Forbidden(f"this credential has not the scope {scope}")
        return caller

    def _caller(self, environ: Mapping[str, Any], peer: str) -> Caller:
        presented = self._presented(environ)
        if self._keys.anonymous_is_open() and (presented is None or not self._keys.has_keys):
            if peer == "unix" or is_loopback(peer):
                # beside keys any name is served, but whoever shows none by a name of ours alone
                check_host(environ.get("HTTP_HOST", "localhost"), self._local_names_only)
                return replace(_whole(ANONYMOUS), kind="anonymous")
            if not self._keys.has_keys:
                raise Forbidden("without API keys only this machine is served")
        if presented is not None and (caller := self._known(presented)) is not None:
            return caller  # others behind the same proxy may be guessing; a right key passes
        network = network_of(peer)
        if self._wrong.wait_s(network) > 0:
            raise TooManyRequests("too many wrong keys from this address", retry_after=60)
        if presented is not None:
            self._wrong.count(network)
        raise Unauthorized(
            "an API key is required: Authorization: Bearer <key>",
            www_authenticate=WWWAuthenticate("bearer", {"realm": "vibecell"}),
        )

    def _presented(self, environ: Mapping[str, Any]) -> str | None:
        given: str | None = environ.get("HTTP_AUTHORIZATION")
        if given is None:
            # a browser cannot set headers on a WebSocket
            return key_of_protocols(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", ""))
        # several headers arrive joined by a comma, which no key may contain
        match = _BEARER.match(given)
        return match.group(1) if match else ""

    def _known(self, key: str) -> Caller | None:
        try:
            found = self._keys.of_text(key)
        except (WrongCredential, ExpiredCredential, RevokedCredential):
            return None
        account = Account(Owner(found.id), found.weight, found.grant)
        return Caller(account, found.scopes, found.origins)


def _whole(key: str) -> Caller:
    """One who may do all that has no credential of its own."""
    return Caller(Account(Owner(key)), frozenset(SCOPES))


def key_of_protocols(offered: str) -> str | None:
    """The key in a list of WebSocket subprotocols, if there is exactly one."""
    names = [x.strip() for x in offered.split(",")]
    keys = [x.removeprefix(KEY_PROTOCOL) for x in names if x.startswith(KEY_PROTOCOL)]
    if not keys:
        return None
    return keys[0] if len(keys) == 1 else ""
