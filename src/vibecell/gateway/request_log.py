"""A line of the log for each request, and for each WebSocket that has ended.

Owns what the lines say; refuses to name a path, a query, a header or a body: the route says
what was asked for, and what a client calls its request is judged before (``provenance.py``).
"""

import logging
import time
from http import HTTPMethod

from vibecell.gateway.http.answer_chain import Answer
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.quota import notes_of
from vibecell.model.caller import Owner
from vibecell.model.log_event import LogEvent, record

_LOG = logging.getLogger(__name__)
_SWITCHING_PROTOCOLS = 101
#: Asked again and again by machines, so logged for who debugs.
PROBED = frozenset(("/healthz", "/readyz", "/metrics"))


class RequestLine(LogEvent, tag="request", frozen=True, kw_only=True):
    """A request is over: its answer was sent, or broke off. A WebSocket's: it was opened.

    Attributes:
        request_id: as the client called it, or we did.
        method: of HTTP; `other` where it is none of HTTP's, or was not read.
        route: the rule that the request goes by, as `/v1/executions/<execution_id>`; `unread`
            where no application has seen it. Left out where there is none.
        status: that was answered; left out where the client had left before.
        duration_ms: from the end of the request's header to now.
        sent_bytes: of the answer, its header included, that the network took.
        address: of the client.
        key_id: of the key that asks, or on whose behalf.
        user: of that key's users.
        problem: the type of problem that was answered, where the request was refused.
        execution_id: of the execution that the request began.
    """

    request_id: str
    method: str
    route: str | None = None
    status: int | None = None
    duration_ms: float
    sent_bytes: int
    address: str
    key_id: str | None = None
    user: str | None = None
    problem: str | None = None
    execution_id: str | None = None


class WebSocketLine(LogEvent, tag="websocket_closed", frozen=True, kw_only=True):
    """A WebSocket has ended.

    Attributes:
        request_id: of the request that opened it.
        route: that it was opened by.
        open_ms: how long it was open.
        close_code: of whoever closed it first; 1006 where the connection broke.
        sent_bytes: to the client, in all.
        address: of the client.
        key_id: of the key that asked, or on whose behalf.
        user: of that key's users.
        problem: the type of problem that the client was told.
        execution_id: of the execution that was begun.
    """

    request_id: str
    route: str | None = None
    open_ms: float
    close_code: int | None = None
    sent_bytes: int
    address: str
    key_id: str | None = None
    user: str | None = None
    problem: str | None = None
    execution_id: str | None = None


def log_upgrade(answer: Answer) -> None:
    """A step of the chain: a WebSocket's request is over when it is open."""
    if answer.status == _SWITCHING_PROTOCOLS:
        _log_request(answer)


def log_end(answer: Answer) -> None:
    """Nothing more will be sent in answer to a request."""
    if answer.status == _SWITCHING_PROTOCOLS:
        _log_websocket(answer)
    else:
        _log_request(answer)


def _log_request(answer: Answer) -> None:
    level = logging.DEBUG if answer.route in PROBED else logging.INFO
    if not _LOG.isEnabledFor(level):
        return
    connection = answer.connection
    owner = _owner(connection)
    line = RequestLine(
        request_id=connection.request_id,
        method=answer.method if answer.method in HTTPMethod.__members__ else "other",
        route=answer.route,
        status=answer.status or None,
        duration_ms=_since_ms(answer.began_s),
        sent_bytes=connection.sent_bytes,
        address=connection.client,
        key_id=None if owner is None else owner.key,
        user=None if owner is None else owner.user,
        problem=connection.problem,
        execution_id=connection.execution_id,
    )
    record(_LOG, level, line)


def _log_websocket(answer: Answer) -> None:
    if not _LOG.isEnabledFor(logging.INFO):
        return
    connection = answer.connection
    owner = _owner(connection)
    line = WebSocketLine(
        request_id=connection.request_id,
        route=answer.route,
        open_ms=_since_ms(answer.began_s),
        close_code=connection.close_code,
        sent_bytes=connection.sent_bytes,
        address=connection.client,
        key_id=None if owner is None else owner.key,
        user=None if owner is None else owner.user,
        problem=connection.problem,
        execution_id=connection.execution_id,
    )
    record(_LOG, logging.INFO, line)


def _owner(connection: Connection) -> Owner | None:
    """On whose behalf something was begun, or else who asked."""
    account = notes_of(connection).begins_for
    return connection.owner if account is None else account.owner


def _since_ms(began_s: float) -> float:
    return round((time.perf_counter() - began_s) * 1000, 3)
