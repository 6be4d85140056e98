"""Which credential a request presents.

Owns the three places where one may be (``Authorization``, the subprotocols of a WebSocket, a
ticket in the URL) and the forms of what is there. Refuses two at once, whatever they are: it
would be anybody's guess which one counts. Refuses to know whether it is right.

A key or a token is never read from a URL, which is logged, remembered and passed on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from websockets.typing import Subprotocol

from vibecell.model.errors import MalformedCredential

Kind = Literal["key", "token", "ticket"]

#: What a server that speaks to us answers with; a browser must offer it beside its credential.
_PROTOCOL = Subprotocol("vibecell.v1")
_KEY_PROTOCOL = "vibecell.key."
_TOKEN_PROTOCOL = "vibecell.token."
_TICKET = "ticket"
#: Of any credential: providers put much into tokens. A request head has room for four of these.
MAX_CHARACTERS = 8192
# several headers arrive joined by a comma, which no credential contains
_TEXT = rf"[!-+\--~]{{1,{MAX_CHARACTERS}}}"
_BEARER = re.compile(rf"bearer ({_TEXT})\Z", re.IGNORECASE)
_OFFERED = re.compile(rf"{_TEXT}\Z")
#: Three parts of base64url, of which the first is a JSON object. Source: RFC 7515 section 3.1
_TOKEN_FORM = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\Z")
_TICKET_FORM = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential, as it came.

    Attributes:
        kind: by where it stood and its form.
        text: in no ``repr``.
    """

    kind: Kind
    text: str = field(repr=False)


def presented_by(environ: Mapping[str, Any], tickets_only: bool = False) -> Presented | None:
    """The one credential that a request presents; ``None``: none at all.

    Args:
        environ: of the request.
        tickets_only: whatever else there is was not meant for us.

    Raises:
        MalformedCredential: there are several, or it has not the form of any.
    """
    found = [*_in_query(environ.get("QUERY_STRING", ""))]
    if not tickets_only:
        found += _in_header(environ.get("HTTP_AUTHORIZATION"))
        found += _in_protocols(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", ""))
    if len(found) > 1:
        raise MalformedCredential("there must be one credential, in one place")
    return found[0] if found else None


def chosen_protocol(_: object, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """What is answered to the subprotocols that a client offers; never one with a credential.

    A client that does not offer ours is answered none, as it would give up at one that it did not
    offer. Browsers give up at none, too: they offer both.
    Source: RFC 6455 sections 4.1 and 4.2.2; WHATWG WebSockets section 2.
    """
    return _PROTOCOL if _PROTOCOL in offered else None


def without_credentials(offered: str) -> str:
    """The subprotocols that a client offers, without the one that is its credential."""
    names = (name.strip() for name in offered.split(","))
    return ", ".join(name for name in names if not name.startswith(tuple(_KINDS)))


def _in_header(given: str | None) -> Iterator[Presented]:
    if given is None:
        return
    match = _BEARER.match(given)
    if match is None:
        raise MalformedCredential("Authorization must be: Bearer, one blank, the credential")
    yield Presented("token" if _TOKEN_FORM.match(match[1]) else "key", match[1])


def _in_protocols(offered: str) -> Iterator[Presented]:
    # a browser cannot set other headers on a WebSocket
    for name in offered.split(",") if offered else ():
        name = name.strip()
        for prefix, kind in _KINDS.items():
            if name.startswith(prefix):
                text = name.removeprefix(prefix)
                if not _OFFERED.match(text):
                    raise MalformedCredential(f"there must be a credential after {prefix}")
                yield Presented(kind, text)


_KINDS: Mapping[str, Kind] = {_KEY_PROTOCOL: "key", _TOKEN_PROTOCOL: "token"}


def _in_query(query: str) -> Iterator[Presented]:
    if _TICKET not in query:
        return
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name == _TICKET:
            if not _TICKET_FORM.match(text):
                raise MalformedCredential("a ticket is as POST /v1/tickets answered")
            yield Presented("ticket", text)
