"""What a server and the handlers of its connections know of each other.

Owns the bounds of a listening server, and what a handler may ask of it; refuses
to serve.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from vibecell.gateway.http.address_shares import AddressShares
from vibecell.gateway.http.answer_chain import AnswerChain
from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.forwarded import TrustedProxies
from vibecell.gateway.http.idle_connections import IdleConnections
from vibecell.model.stopping import GATEWAY_STOP_S


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Deadlines and bounds of one listening server; how many connect is in ``Access``.

    Attributes:
        header_s: from the first byte of a request to the end of its header.
        body_s: from there to the end of its body.
        idle_s: between two requests of a kept-alive connection.
        stall_s: a client takes no byte of its response for this long.
        header_bytes: request line and header fields together.
        discard_bytes: of an unread body, read to keep the connection.
        discard_s: from the end of the response to the end of such a body.
        stop_s: from the request to stop to the end of the last connection.
    """

    header_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 30.0
    stall_s: float = 30.0
    header_bytes: int = 32 * 1024
    discard_bytes: int = 8 * 1024 * 1024
    discard_s: float = 5.0
    stop_s: float = GATEWAY_STOP_S


class Closable(Protocol):
    """What lives on an upgraded connection and wants a word before the end."""

    def go_away(self) -> None:
        """Tell the peer that the server stops, then close; bounded in time."""
        ...


class Serving(Protocol):
    """A server, as the handler of one of its connections sees it.

    Attributes:
        application: WSGI; answers what the handler has read.
        limits: deadlines and bounds.
        chain: what its answers pass before they are sent.
        trace: whether the moments of requests are noted.
        stopping: no further request is read.
        open: whoever serves a connection.
        upgraded: what lives on the connections that were taken over.
        idle: connections on which nothing is asked.
        proxies: whose word is taken for whom they ask.
        shares: who has which share of the thread.
        bodies: how much of requests' bodies is held, by whom.
    """

    application: Any
    limits: ServerLimits
    chain: AnswerChain
    trace: bool
    stopping: bool
    open: set[Any]
    upgraded: set[Closable]
    idle: IdleConnections
    proxies: TrustedProxies
    shares: AddressShares
    bodies: BodyRooms

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment of any request, to be completed."""
        ...
