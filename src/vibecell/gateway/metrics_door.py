"""A listener of its own on which metrics are read, and nothing else.

Owns what it answers; refuses whoever it cannot tell from a page in a browser, and what comes
through a proxy: whoever reaches the listener is served, so it must be he who asks.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from vibecell.gateway.exposition import MEDIA_TYPE
from vibecell.gateway.host_names import Misdirected, check_host
from vibecell.gateway.http.answer_chain import AnswerChain
from vibecell.gateway.http.forwarded import UNIX
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.parts import Gateway
from vibecell.model.access import Access
from vibecell.model.loopback import is_loopback

PATH = "/metrics"
#: Who scrapes has one or two.
MAX_CONNECTIONS = 32
#: By which a proxy says that it is one. Source: RFC 7239 section 4, RFC 9110 section 7.6.3
_PROXIED = (
    "FORWARDED",
    "VIA",
    "X_FORWARDED_FOR",
    "X_FORWARDED_HOST",
    "X_FORWARDED_PROTO",
    "X_REAL_IP",
)
#: By which a browser says that a page asks. Source: Fetch Metadata Request Headers, 2
_OF_A_PAGE = ("ORIGIN", "SEC_FETCH_SITE", "REFERER")


def metrics_server(gateway: Gateway, listener: Any, chain: AnswerChain) -> GatewayServer:
    """A server of metrics alone, not yet started.

    Args:
        gateway: whose.
        listener: bound and listening.
        chain: what its answers pass.
    """
    policy = gateway.policy
    access = Access(connections=MAX_CONNECTIONS, connections_per_peer=MAX_CONNECTIONS)
    return GatewayServer(listener, metrics_application(gateway), policy.server, access, chain)


def metrics_application(gateway: Gateway) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """WSGI that answers ``GET /metrics`` and refuses all else."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = judged(environ)
        if status is not HTTPStatus.OK:
            body = f"{status.phrase}\n".encode()
            kind = "text/plain; charset=utf-8"
        else:
            environ["vibecell.handler"].route = PATH
            body, kind = gateway.metrics.text(gateway.executor, gateway.quota.open), MEDIA_TYPE
        fields = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", fields)
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)

    return answer


def judged(environ: dict[str, Any]) -> HTTPStatus:
    """Whether a request is one for the metrics, and by whom it may be."""
    if environ["PATH_INFO"] != PATH:
        return HTTPStatus.NOT_FOUND
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED
    if not is_asked_directly(environ):
        return HTTPStatus.FORBIDDEN
    peer = environ["vibecell.handler"].connection.peer
    try:
        # a page that has bound its own name to a loopback address is told by that name
        check_host(environ.get("HTTP_HOST", "localhost"), is_loopback(peer) and peer != UNIX)
    except Misdirected:
        return HTTPStatus.MISDIRECTED_REQUEST
    return HTTPStatus.OK


def is_asked_directly(environ: Mapping[str, Any]) -> bool:
    """Whether nothing says that a proxy has passed a request on, or that a page asks."""
    return not any(f"HTTP_{name}" in environ for name in (*_PROXIED, *_OF_A_PAGE))
