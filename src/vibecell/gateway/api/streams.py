"""The WebSockets: begin an execution and follow it, or attach to one.

Messages are JSON texts. Down: ``{"type":"accepted","id":…}`` first, then the
events; a refusal is ``{"type":"error","problem":{…}}`` and a close code of 4000
plus its HTTP status. Up: ``{"type":"execute",…}`` once, then controls.
"""

import time
from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from vibecell.gateway.api.executions import checked_id, chosen_encoding
from vibecell.gateway.current_request import client_connection, query_number
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.parts import Gateway
from vibecell.gateway.transports.websocket import (
    HandshakeRefused,
    WebSocket,
    WebSocketClosed,
)
from vibecell.gateway.transports.websocket_relay import Relay, refuse
from vibecell.model.caller import Account, Caller, Owner
from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.execution import ExecutionRequest
from vibecell.wire.json_text import strict_json_loads


class _Refused(HTTPException):
    """A handshake that is none; the code is the library's."""

    def __init__(self, refusal: HandshakeRefused) -> None:
        super().__init__(str(refusal))
        self.code = refusal.status


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("streams", __name__, url_prefix="/v1/executions")

    @routes.get("/stream")
    def begin() -> Response:
        caller = _admitted(gateway)
        connection = client_connection()
        gateway.quota.require_unrefused(caller.owner)
        with _Accepted(gateway, caller.owner) as websocket:
            _guarded(gateway, websocket, lambda: _begin(gateway, websocket, caller, connection))
        return Response()

    @routes.get("/<execution_id>/stream")
    def follow(execution_id: str) -> Response:
        caller = _admitted(gateway)
        owner = caller.owner
        after = query_number("after") or 0
        checked_id(execution_id)
        encoding, connection = chosen_encoding(), client_connection()
        with gateway.quota.judging(owner):
            conversation = gateway.executor.attach(execution_id, owner, after)
            ended = conversation.standing.ended_with(after)
            with conversation, _Accepted(gateway, owner) as websocket:
                may_control = "control" in caller.scopes
                relay = Relay(gateway, websocket, conversation, caller, encoding, may_control)
                work = partial(_followed, gateway, caller.account, connection, relay, ended)
                _guarded(gateway, websocket, work)
        return Response()

    return routes


class _Accepted:
    """An open WebSocket, known to the server for its stop, counted."""

    def __init__(self, gateway: Gateway, owner: Owner) -> None:
        self._gateway = gateway
        self._room = gateway.room(owner)
        self._server = request.environ["vibecell.handler"].server

    def __enter__(self) -> WebSocket:
        try:
            limits = self._gateway.policy.websocket
            self._websocket = WebSocket.accept(request.environ, limits, self._room)
        except HandshakeRefused as refusal:
            raise _Refused(refusal) from refusal
        self._server.upgraded.add(self._websocket)
        self._gateway.metrics.websocket_opened()
        self._began_s = time.monotonic()
        return self._websocket

    def __exit__(self, *error: object) -> None:
        self._server.upgraded.discard(self._websocket)
        self._gateway.metrics.websocket_ended(time.monotonic() - self._began_s)
        self._websocket.leave()
        client_connection().close_code = self._websocket.first_code


def _admitted(gateway: Gateway) -> Caller:
    gateway.cross_origin.require_for_socket(request.environ)
    caller = gateway.caller()
    gateway.cross_origin.require_for_socket(request.environ, caller)
    return caller


def _guarded(gateway: Gateway, websocket: WebSocket, work: Callable[[], None]) -> None:
    try:
        work()
    except WebSocketClosed:
        return
    except Exception as error:
        refuse(gateway, websocket, error)
    else:
        websocket.close()


def _followed(
    gateway: Gateway, account: Account, connection: Connection, relay: Relay, ended: bool
) -> None:
    with gateway.quota.charging(account, connection), gateway.quota.streaming(account):
        relay.run(ended)


def _begin(gateway: Gateway, websocket: WebSocket, caller: Caller, connection: Connection) -> None:
    owner, quota = caller.owner, gateway.quota
    # a refusal is told in a message: a browser shows its page no answer to a handshake
    with (
        quota.counting(owner),
        quota.charging(caller.account, connection),
        quota.streaming(caller.account),
    ):
        quota.require_room(caller.account, connection)
        try:
            asked, account = _asked(gateway, websocket, caller)
        except TimeoutError:
            websocket.close(4408, "no execute message came")
            return
        gateway.authenticator.require_alive(caller)  # it may be half a minute since
        quota.count_begun(account, connection)
        provenance = gateway.provenance(connection, caller)
        following = gateway.executor.submit_and_follow(asked, account, provenance=provenance)
        with following as conversation:
            connection.execution_id = conversation.id
            gateway.remember_page(conversation.id, asked, caller)
            Relay(gateway, websocket, conversation, caller).run(False)


def _asked(
    gateway: Gateway, websocket: WebSocket, caller: Caller
) -> tuple[ExecutionRequest, Account]:
    """What the first message asks for; raises ``TimeoutError`` where none comes."""
    message = websocket.receive(gateway.policy.first_message_s)
    gateway.quota.require_unrefused(caller.owner)
    first = strict_json_loads(message)
    if not isinstance(first, dict) or first.pop("type", None) != "execute":
        raise InvalidRequest(FieldProblem("type", "the first message must be an execute"))
    return gateway.execution_request(first, caller)
