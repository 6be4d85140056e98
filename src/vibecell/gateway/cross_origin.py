"""What pages of other origins may do here: ask, read what is answered, frame a page.

Owns the one allow-list of origins: the deployment's, and beside it that of the key with which
is asked. Refuses cookies: nothing here is anybody's because of the browser that asks, so nothing
of ours allows credentials, and ``*`` may be allowed.

A browser asks ahead (preflight) whether a page may send JSON or a key, and shows no credential
when it does. So whatever any list has is granted there; a request itself is answered by the list
of its own key. Neither is a wall against programs, which send whatever ``Origin`` they want.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response
from werkzeug.exceptions import Forbidden

from vibecell.gateway.http.answer_chain import Answer
from vibecell.model.caller import Caller
from vibecell.model.errors import NotPermitted
from vibecell.model.origins import ANY, DEFAULT_PORTS, lists

METHODS = "GET, HEAD, POST, DELETE"
#: What a page may send beside what any may, and read beside what it always can.
SENT = "Authorization, Content-Type, Idempotency-Key, Prefer, Last-Event-ID, X-Request-Id"
READ = (
    "Retry-After, RateLimit, RateLimit-Policy, Location, Preference-Applied, Server-Timing, "
    "WWW-Authenticate, X-Request-Id"
)
#: How long a browser goes by one answer; a key may lose an origin meanwhile, and its answers too.
MAX_AGE_S = 600

_SWITCHING_PROTOCOLS = 101
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"


class CrossOrigin:
    """The allow-list of one gateway, and what follows from it.

    Args:
        allowed: by the deployment.
        own: origin of our own pages, where the operator has said it.
        any_key_lists: whether some key that is alive has an origin on its list.
    """

    def __init__(
        self, allowed: Collection[str], own: str | None, any_key_lists: Callable[[str], bool]
    ) -> None:
        self._allowed = allowed
        self._own = own
        self._any_key_lists = any_key_lists

    def is_known(self, origin: str) -> bool:
        """Whether the deployment or any key lists an origin."""
        return lists(self._allowed, origin) or self._any_key_lists(origin)

    def preflight(self, environ: Mapping[str, Any]) -> Response | None:
        """The answer to a browser that asks whether a page may ask; ``None``: this is no such.

        Raises:
            Forbidden: pages of this origin may not.
        """
        origin = environ.get("HTTP_ORIGIN")
        asks = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        if origin is None or not asks or environ["REQUEST_METHOD"] != "OPTIONS":
            return None
        if not self.is_known(origin):
            raise Forbidden("pages of this origin may not ask")
        response = Response(status=204)
        response.headers[_ALLOW_ORIGIN] = ANY if ANY in self._allowed else origin
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = SENT
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        return response

    def require(self, environ: Mapping[str, Any], caller: Caller) -> None:
        """Pass a request that this credential may make from the page that makes it, if one does.

        Raises:
            NotPermitted: the credential is for pages of other origins.
        """
        if caller.origins and not self._may_ask(environ, caller.origins):
            raise NotPermitted("this credential is not for pages of this origin")

    def require_for_socket(self, environ: Mapping[str, Any], caller: Caller | None = None) -> None:
        """The same for a WebSocket, whose browser asks nobody whether a page may open it.

        Args:
            environ: of the handshake.
            caller: who opens it; ``None`` where that is not known yet: so nobody who could
                not be let in by any credential tries any.

        Raises:
            Forbidden: pages of this origin may not open one.

        Source: RFC 6455 section 10.2.
        """
        origin = environ.get("HTTP_ORIGIN")
        if caller is None and origin is not None and self._any_key_lists(origin):
            return
        if not self._may_ask(environ, () if caller is None else caller.origins):
            raise Forbidden("pages of this origin may not connect")

    def _may_ask(self, environ: Mapping[str, Any], listed: Collection[str]) -> bool:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:  # no browser, or one whose page is ours
            return True
        if origin == self._own or lists(self._allowed, origin) or lists(listed, origin):
            return True
        told = environ["vibecell.handler"].connection.host  # by a proxy that is trusted
        hosts = (told, environ.get("HTTP_HOST"))
        return any(is_same_host(origin, host) for host in hosts if host is not None)

    def let_read(self, answer: Answer) -> None:
        """A step of the chain: the fields by which a browser shows the answer to the page.

        A refusal of one who has not shown who it is may be read by whomever any list has:
        it says why, and no more.
        """
        if answer.status == _SWITCHING_PROTOCOLS:
            return
        answer.fields.append(("Vary", "Origin"))
        reader = self._reader(answer)
        if reader is not None:
            fields = ((_ALLOW_ORIGIN, reader), ("Access-Control-Expose-Headers", READ))
            answer.add_missing(fields)

    def _reader(self, answer: Answer) -> str | None:
        if ANY in self._allowed:
            return ANY
        origin = answer.connection.origin
        if origin is None:
            return None
        if origin in self._allowed:
            return origin
        listed = answer.connection.caller_origins
        if listed is None:
            return origin if answer.status >= 400 and self._any_key_lists(origin) else None
        return origin if lists(listed, origin) else None

    def framers(self, of_key: Collection[str]) -> str:
        """Who may frame a page beside ourselves, as a policy says it.

        Args:
            of_key: the list of the key that began the execution.
        """
        # a policy cannot name an address of IPv6
        # source: Content Security Policy Level 3, 2.3.1
        named = [each for each in dict.fromkeys((*self._allowed, *of_key)) if "[" not in each]
        return " ".join(("'self'", *named))


def is_same_host(origin: str, host: str) -> bool:
    """Whether an origin is on the host that was asked, with or without TLS."""
    try:
        asked, served = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS.get(asked.scheme)
        if default is None or not asked.hostname:
            return False
        ports = (asked.port or default, served.port or default)
    except ValueError:
        return False
    return asked.hostname == served.hostname and ports[0] == ports[1]
