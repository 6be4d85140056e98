"""How much a gateway grants its clients.

Owns the numbers and names an operator may set for it; refuses values that mean
nothing.

Who is bounded, by what, and where. A key's and a user's own numbers are grants
(``model/caller.py``); these here are for whoever has none of his own, and for addresses.

The gateway (``gateway/quota.py``) counts what it serves, and answers 429 beyond: what is
begun within a time, of a key with all its users (``begun_per_minute``, ``Grant.rate``), of a user
(``begun_per_minute_of_user``) and of an address (``begun_per_minute_of_address``), by a moving
window (``gateway/rates.py``); the streams of a key and of a user that are open
(``Grant.streams``); bytes of bodies under way, of a key likewise (``bodies_bytes``,
``gateway/http/body_rooms.py``); requests and streams that are open, of a key with all its users,
of which one never has all (``concurrent``, ``sharing/held.py``); and requests that were refused,
of each user, or of the key where it is the key's own (``refused_per_minute``). The engine
counts what runs or waits, whoever began it and whether or not somebody still watches
(``engine/executions.py``, ``max_per_owner`` of the settings, beyond it 503), and keeps the other
grants. As a defence it also bounds the connections that follow, by ``concurrent``
(``engine/followers.py``). A peer who has not shown who he is is bounded by address: in connections
by the server (``gateway/http/server.py``), in refusals by ``gateway/refusals.py``, in wrong
credentials by ``gateway/identity/authenticator.py``.
"""

import re
from dataclasses import dataclass, fields
from ipaddress import ip_network
from typing import Literal

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.origins import ALLOWANCE, is_allowance

#: What a policy of a page can name (Content Security Policy Level 3, 2.3.1), a port included, so
#: no IPv6 address; nothing in it can end a directive.
_PUBLIC_URL = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:/(?P<first>[A-Za-z0-9_~-][A-Za-z0-9._~-]*)(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*){0,7})?/?\Z"
)
#: How paths of ours begin. A proxy's own part may be taken away or left, so it must be none of
#: them: ``/v1/executions`` would be that of ours, or ``/executions`` below ``/v1``.
FIRST_PARTS = frozenset(
    ("assets", "docs", "execute", "healthz", "metrics", "openapi.json", "readyz", "v1")
)

#: Who is served without a key: whoever is on this machine as long as there is no key at all,
#: nobody, or whoever is on this machine.
Anonymous = Literal["auto", "never", "loopback"]


@dataclass(frozen=True, slots=True)
class Access:
    """Bounds of one gateway.

    Attributes:
        connections: open at once in all.
        connections_per_peer: open at once from one address.
        concurrent: requests, streams and WebSockets one key may hold open, all its users together;
            as many short calls of its own, and as many of its users'.
        bodies_bytes: of request bodies of everybody that are received or not answered yet.
        begun_per_minute: requests that begin an execution, of one key that has no rate of
            its own, all its users together.
        begun_per_minute_of_user: of one user likewise.
        begun_per_minute_of_address: from one address, whoever asks.
        refused_per_minute: messages of one owner that were malformed, too large or wrong;
            requests from one address that were refused, and that no owner made.
        wrong_keys_per_minute: wrong credentials of any kind, from one address.
        disconnect_grace_s: in which a client may come back to its run.
        first_message_s: from a WebSocket's opening to its ``execute``.
        heartbeat_s: between two bytes of a silent event stream.
        allowed_origins: pages that may ask with any key, read what is answered, open a WebSocket
            and frame an execution's page; ``*``: every page there is.
        trusted_proxies: networks, or ``unix``, whose word is taken for whom they ask.
        public_url: where clients reach it, behind a proxy; ``None``: where it listens.

    Raises:
        InvalidRequest: a number is not above zero, or an origin or address is none.
    """

    connections: int = 2048
    connections_per_peer: int = 256
    concurrent: int = 256
    bodies_bytes: int = 128 * 1024 * 1024
    begun_per_minute: int = 60_000
    begun_per_minute_of_user: int = 6_000
    begun_per_minute_of_address: int = 60_000
    refused_per_minute: int = 1_200
    wrong_keys_per_minute: int = 20
    disconnect_grace_s: float = 5.0
    first_message_s: float = 30.0
    heartbeat_s: float = 8.0
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    public_url: str | None = None

    def __post_init__(self) -> None:
        wrong = []
        for member in fields(Access):  # of this alone, where a class adds to it
            value = getattr(self, member.name)
            if isinstance(value, int | float) and not 0 < value < float("inf"):
                wrong.append(FieldProblem(f"gateway.{member.name}", "must be above 0"))
        if not all(map(is_allowance, self.allowed_origins)):
            wrong.append(FieldProblem("gateway.allowed_origins", ALLOWANCE))
        if not all(map(_is_proxy, self.trusted_proxies)):
            wrong.append(
                FieldProblem(
                    "gateway.trusted_proxies",
                    "each must be an address, unix, or a network as 10.0.0.0/8: no bit set "
                    "behind its prefix, and not all there are",
                )
            )
        if self.public_url is not None and not _is_public_url(self.public_url):
            wrong.append(
                FieldProblem(
                    "gateway.public_url",
                    "must be as a browser says it: scheme://host, then a port if any, and a path "
                    "that does not begin as one of ours (/v1, /docs …)",
                )
            )
        if wrong:
            raise InvalidRequest(*wrong)


def _is_public_url(text: str) -> bool:
    match = _PUBLIC_URL.match(text)
    if match is None:
        return False
    return int(match["port"] or 1) < 2**16 and match["first"] not in FIRST_PARTS


def _is_proxy(text: str) -> bool:
    """A network of all addresses is none: everybody would be believed whoever he says he is."""
    try:
        return text == "unix" or ip_network(text).prefixlen > 0
    except ValueError:
        return False


DEFAULT_ACCESS = Access()
