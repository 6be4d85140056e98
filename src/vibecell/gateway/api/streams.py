"""The WebSockets: begin an execution and follow it, or attach to one.

Messages are JSON texts. Down: ``{"type":"accepted","id":…}`` first, then the
events; a refusal is ``{"type":"error","problem":{…}}`` and a close code of 4000
plus its HTTP status. Up: ``{"type":"execute",…}`` once, then controls.
"""

import contextlib
import time
from collections.abc import Callable
from functools import partial

import gevent
from flask import Blueprint, Response, request
from gevent.event import Event
from werkzeug.exceptions import HTTPException

from vibecell.executor import Conversation
from vibecell.gateway.api.executions import checked_id, chosen_encoding
from vibecell.gateway.current_request import client_connection, query_number
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.parts import Gateway
from vibecell.gateway.problems import problem_of
from vibecell.gateway.transports.inbox import Inbox
from vibecell.gateway.transports.websocket import (
    HandshakeRefused,
    WebSocket,
    WebSocketClosed,
)
from vibecell.model.caller import Account, Caller, Owner
from vibecell.model.errors import Conflict, FieldProblem, InvalidRequest, NotPermitted
from vibecell.model.events import ASIDE, Control, Finished, Stdin
from vibecell.model.execution import Encoding, ExecutionRequest
from vibecell.model.stopping import MARGIN_S
from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.requests import decode_control
from vibecell.wire.views import encode_event

MAX_WAITING_INPUT_BYTES = 512 * 1024
INPUT_WAIT_S = 5.0


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
                relay = _Relay(gateway, websocket, conversation, caller, encoding, may_control)
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
        _refuse(gateway, websocket, error)
    else:
        websocket.close()


def _refuse(gateway: Gateway, websocket: WebSocket, error: Exception) -> None:
    problem = problem_of(error)
    gateway.metrics.refused(problem.kind)
    try:
        websocket.send(_text({"type": "error", "problem": problem.body}))
    except WebSocketClosed:
        return
    websocket.close(problem.close_code, str(problem.body["title"]))


def _followed(
    gateway: Gateway, account: Account, connection: Connection, relay: "_Relay", ended: bool
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
            gateway.remember_page(conversation.id, asked, caller)
            _Relay(gateway, websocket, conversation, caller).run(False)


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


class _Relay:
    """Events down, controls up, until either side ends.

    A client that left is told no event, but what it had said before is passed on, in
    order: to the last control, or until the program has taken none for ``INPUT_WAIT_S``.
    One whose key has died is told nothing more, and obeyed no more.
    """

    def __init__(
        self,
        gateway: Gateway,
        websocket: WebSocket,
        conversation: Conversation,
        caller: Caller,
        encoding: Encoding | None = None,
        may_control: bool = True,
    ) -> None:
        self._gateway = gateway
        self._may_control = may_control
        self._websocket = websocket
        self._conversation = conversation
        self._caller, self._owner = caller, caller.owner
        self._encoding = encoding or conversation.standing.encoding
        self._finished = False
        # who may not cancel a run does not do so by leaving it
        self._watching = may_control
        self._heard_all = Event()
        self._inputs: Inbox[Control] | None = None
        self._feeder: gevent.Greenlet | None = None

    def run(self, ended: bool) -> None:
        """Returns when the execution has finished, or the client has left."""
        self._finished = ended
        if self._watching:
            self._gateway.watchers.arrive(self._conversation.standing)
        upward = gevent.spawn(self._controls)
        try:
            self._tell({"type": "accepted", "id": self._conversation.id})
            if not ended:
                self._events()
        finally:
            gevent.killall([each for each in (upward, self._feeder) if each is not None])
            if self._inputs is not None:
                self._inputs.drop()
            self._watches_no_more()

    def _watches_no_more(self) -> None:
        if self._watching:
            self._watching = False
            self._gateway.watchers.leave(self._conversation.standing, self._owner, self._finished)

    def _events(self) -> None:
        """All of them, to the last; ``_controls`` ends them earlier where the client left."""
        for event in self._conversation.events():
            if isinstance(event.event, Finished):
                self._finished = True
                self._gateway.metrics.finished(event.event.result)
            if self._websocket.is_open:
                self._gateway.authenticator.require_alive(self._caller)
                self._tell(encode_event(event, self._encoding))
        self._heard_all.set()

    def _tell(self, message: dict[str, object]) -> None:
        with contextlib.suppress(WebSocketClosed):  # which ``_controls`` learns as well
            self._websocket.send(_text(message))

    def _controls(self) -> None:
        """Pass controls on; input waits aside, as far as there is room for it."""
        try:
            while True:
                self._pass_on(self._judged(self._websocket.receive()))
        except WebSocketClosed:
            self._hang_up()
        except Exception as error:
            _refuse(self._gateway, self._websocket, error)
            self._hang_up()

    def _hang_up(self) -> None:
        """Have what came passed on, then leave the conversation."""
        self._watches_no_more()  # a program that does not read puts off no cancel
        wait_s = MARGIN_S if self._websocket.is_going_away else INPUT_WAIT_S
        if self._inputs is not None and self._feeder is not None:
            self._inputs.end()
            self._feeder.join(wait_s)
        self._conversation.end_controls()
        self._heard_all.wait(wait_s)
        # wakes the other direction, which may be waiting for the engine
        self._conversation.close()

    def _judged(self, message: bytes) -> Control:
        self._gateway.authenticator.require_alive(self._caller)
        if not self._may_control:
            raise NotPermitted("this credential has not the scope control")
        with self._gateway.quota.counting(self._owner):
            return _control(message)

    def _pass_on(self, control: Control) -> None:
        if isinstance(control, ASIDE):
            self._conversation.send(control)
        else:
            self._put(control)

    def _put(self, control: Control) -> None:
        if self._inputs is None:  # not before there is input: most never have any
            self._inputs = Inbox(MAX_WAITING_INPUT_BYTES, self._websocket.hold)
            self._feeder = gevent.spawn(self._feed, self._inputs)
        size_bytes = len(control.data) if isinstance(control, Stdin) else 0
        try:
            self._inputs.put(control, size_bytes, INPUT_WAIT_S)
        except TimeoutError:
            raise Conflict("the program does not read its input") from None

    def _feed(self, inputs: "Inbox[Control]") -> None:
        while (control := inputs.get()) is not None:
            self._conversation.send(control)


def _control(message: bytes) -> Control:
    """What a client says, once it has its execution; raises ``RequestError``."""
    value = strict_json_loads(message)
    if isinstance(value, dict) and value.get("type") == "execute":
        raise Conflict("this connection has its execution already")
    return decode_control(value)


def _text(message: dict[str, object]) -> str:
    return compact_json(message).decode("ascii")
