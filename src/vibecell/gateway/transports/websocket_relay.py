"""What goes over a WebSocket, both ways at once.

Owns the relay between a WebSocket and a conversation: events down, controls up, a refusal as a
message and a close code. Refuses to know how the WebSocket was opened and the conversation begun;
``api/streams.py`` does.
"""

import contextlib

import gevent
from gevent.event import Event

from vibecell.executor import Conversation
from vibecell.gateway.parts import Gateway
from vibecell.gateway.problems import problem_of
from vibecell.gateway.transports.inbox import Inbox
from vibecell.gateway.transports.websocket import WebSocket, WebSocketClosed
from vibecell.model.caller import Caller
from vibecell.model.errors import Conflict, NotPermitted
from vibecell.model.events import ASIDE, Control, Finished, Stdin
from vibecell.model.execution import Encoding
from vibecell.model.stopping import MARGIN_S
from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.requests import decode_control
from vibecell.wire.views import encode_event

MAX_WAITING_INPUT_BYTES = 512 * 1024
INPUT_WAIT_S = 5.0


class Relay:
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
            refuse(self._gateway, self._websocket, error)
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


def refuse(gateway: Gateway, websocket: WebSocket, error: Exception) -> None:
    """Tell the client why, and close; a refusal has a close code of its own."""
    problem = problem_of(error)
    gateway.metrics.refused(problem.kind)
    websocket.connection.problem = problem.type
    try:
        websocket.send(_text({"type": "error", "problem": problem.body}))
    except WebSocketClosed:
        return
    websocket.close(problem.close_code, str(problem.body["title"]))


def _control(message: bytes) -> Control:
    """What a client says, once it has its execution; raises ``RequestError``."""
    value = strict_json_loads(message)
    if isinstance(value, dict) and value.get("type") == "execute":
        raise Conflict("this connection has its execution already")
    return decode_control(value)


def _text(message: dict[str, object]) -> str:
    return compact_json(message).decode("ascii")
