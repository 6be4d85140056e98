"""Who is asking.

Owns the API keys, hashed, and the names of owners; refuses to grant anything
by a header other than ``Authorization`` (forwarded addresses are not read) or
by a key in a URL.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from vibecell.gateway.http.connection import network_of
from vibecell.gateway.moving_window import MovingWindow
from vibecell.gateway.policy import Policy
from vibecell.model.caller import SCOPES, Account, Caller, Owner, Scope
from vibecell.model.loopback import is_loopback

ANONYMOUS = "local"
KEY_PROTOCOL = "vibecell.key."
_BEARER = re.compile(r"bearer ([!-+\--~]{1,512})\Z", re.IGNORECASE)


class Authenticator:
    """Turns a request's credentials into a caller."""

    def __init__(self, policy: Policy) -> None:
        self._digests = tuple(_digest(key) for key in policy.api_keys)
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
        """
        connection = environ["vibecell.handler"].connection
        caller = self._caller(environ, connection.peer)
        connection.owner = caller.owner
        if scope is not None and scope not in caller.scopes:
            raise Forbidden(f"this credential has not the scope {scope}")
        return caller

    def _caller(self, environ: Mapping[str, Any], peer: str) -> Caller:
        if not self._digests:
            if peer != "unix" and not is_loopback(peer):
                raise Forbidden("without API keys only this machine is served")
            return replace(_whole(ANONYMOUS), kind="anonymous")
        presented = self._presented(environ)
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
        digest = _digest(key)
        found = None
        for known in self._digests:  # all of them: the time tells nothing
            if hmac.compare_digest(known, digest):
                found = known
        return None if found is None else _whole(f"key-{found.hex()[:24]}")


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


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
