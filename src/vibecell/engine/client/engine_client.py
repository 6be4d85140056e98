"""The engine seen from another process: a blocking ``Executor``.

Owns the client's end of the engine protocol; refuses to retry or to reconnect:
what a lost engine means is decided once, here, by ending the stream as its
laws demand.

Works in threads and, where sockets are cooperative, in greenlets.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from vibecell.engine.client.followed import FollowedExecution
from vibecell.engine.client.lines import REPLY_TIMEOUT_S, Lines, SharedLines
from vibecell.engine.client.pending_result import LOST_MESSAGE, EngineWaiting, IdleLines
from vibecell.engine.output import OutputKeeper
from vibecell.executor import ExecutionState, Health
from vibecell.model.errors import (
    Conflict,
    EngineUnavailable,
    ProtocolViolation,
    UnknownExecution,
)
from vibecell.model.events import Cancel, Control, Finished, NumberedEvent, Signal, Stream
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.language import Offer
from vibecell.model.marks import Moment
from vibecell.model.verdicts import Verdict
from vibecell.wire import link_models as shapes
from vibecell.wire.fields import StrictModel
from vibecell.wire.link import (
    decode_internal_error,
    decode_internal_event,
    decode_internal_offer,
    decode_internal_reply,
    decode_internal_result,
    encode_internal_control,
    encode_internal_request,
)
from vibecell.wire.views import JsonObject

_Reply = TypeVar("_Reply", bound=StrictModel)
_Link = TypeVar("_Link", bound=Lines)


class EngineConversation(FollowedExecution):
    """A ``Conversation`` over one connection to the engine.

    Input goes down this connection, where a program that does not read holds
    it up. What must not be held up behind it goes ``aside``.
    """

    def __init__(
        self,
        lines: SharedLines,
        execution_id: str,
        replayed: bool,
        after: int,
        aside: Callable[[Control], None],
    ) -> None:
        self._lines = lines
        self._aside = aside
        super().__init__(execution_id, replayed)
        self._seq = after
        self._kept = OutputKeeper()
        self._ended = False

    def receive(self, timeout_s: float | None = None) -> NumberedEvent | None:
        """See ``Conversation.receive``."""
        if self._ended:
            return None
        try:
            line = self._lines.receive(timeout_s)
            event = decode_internal_event(line) if line else self._lost()
        except TimeoutError:
            raise
        except (OSError, ProtocolViolation):
            event = self._lost()
        if event.seq != self._seq + 1:
            event = self._lost()
        self._seq = event.seq
        if isinstance(event.event, Stream):
            self._kept.add(event.event.name, event.event.data)
        if isinstance(event.event, Finished):
            self._ended = True
            self._lines.close()
        return event

    def events(self) -> Iterator[NumberedEvent]:
        """See ``Conversation.events``."""
        while (event := self.receive()) is not None:
            yield event

    def send(self, control: Control) -> None:
        """See ``Conversation.send``."""
        if self._ended:
            return
        # a broken link is told once, to the reader, as the end of the stream
        with contextlib.suppress(OSError, EngineUnavailable, UnknownExecution, Conflict):
            if isinstance(control, Cancel | Signal):
                self._aside(control)
                return
            self._lines.send(encode_internal_control(control))

    def close(self) -> None:
        """See ``Conversation.close``."""
        self._lines.close()

    def _lost(self) -> NumberedEvent:
        """The end of a stream whose engine is gone, with what arrived of it."""
        result = Result(
            id=self._id,
            verdict=Verdict.INTERNAL_ERROR,
            stdout=self._kept.stdout,
            stderr=self._kept.stderr,
            output=self._kept.output,
            truncated=self._kept.truncated,
            message=LOST_MESSAGE,
        )
        return NumberedEvent(self._seq + 1, Finished(result))


class EngineClient:
    """An ``Executor`` that asks the engine behind a Unix socket.

    Args:
        socket_path: where the engine listens.
    """

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._idle = IdleLines()

    def close(self) -> None:
        """End the connections that wait for a further call."""
        self._idle.close()

    def begin(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> EngineWaiting:
        """See ``Executor.begin``."""
        call = _execute_call(request, owner, idempotency_key, follow="result")
        lines = self._idle.take() or self._connected(Lines)
        reply = self._call(lines, call, shapes.AcceptedReply)

        def cancel() -> None:
            self.control(reply.id, owner, Cancel())

        return EngineWaiting(lines, self._idle, reply.id, reply.replayed, cancel)

    def execute(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> EngineConversation:
        """See ``Executor.execute``."""
        call = _execute_call(request, owner, idempotency_key, follow=True)
        lines, reply = self._open(call, shapes.AcceptedReply)
        return self._conversation(lines, reply, owner, after=0)

    def submit(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> tuple[str, bool]:
        """See ``Executor.submit``."""
        call = _execute_call(request, owner, idempotency_key, follow=False)
        reply = self._ask(call, shapes.AcceptedReply)
        return reply.id, reply.replayed

    def attach(self, execution_id: str, owner: str, after: int = 0) -> EngineConversation:
        """See ``Executor.attach``."""
        call: JsonObject = {"call": "attach", "id": execution_id, "owner": owner, "after": after}
        lines, reply = self._open(call, shapes.AcceptedReply)
        return self._conversation(lines, reply, owner, after)

    def inspect(self, execution_id: str, owner: str) -> ExecutionState:
        """See ``Executor.inspect``."""
        call: JsonObject = {"call": "inspect", "id": execution_id, "owner": owner}
        reply = self._ask(call, shapes.StateReply)
        result = decode_internal_result(reply.result) if reply.result else None
        return ExecutionState(reply.id, reply.state, result)

    def control(self, execution_id: str, owner: str, control: Control) -> None:
        """See ``Executor.control``."""
        shown = encode_internal_control(control)
        call: JsonObject = {
            "call": "control",
            "id": execution_id,
            "owner": owner,
            "control": shown,
        }
        self._ask(call, shapes.DoneReply)

    def offer(self) -> Offer:
        """See ``Executor.offer``."""
        return decode_internal_offer(self._ask({"call": "languages"}, shapes.LanguagesReply))

    def health(self) -> Health:
        """See ``Executor.health``."""
        reply = self._ask({"call": "health"}, shapes.HealthReply)
        return Health(reply.ready, reply.capabilities.model_dump(), reply.counts)

    def traces(self) -> dict[str, dict[Moment, int]] | None:
        """What was noted of the latest executions, by id; ``None``: nothing is noted.

        Raises:
            EngineUnavailable: it cannot be asked.
        """
        reply = self._ask({"call": "trace"}, shapes.TraceReply)
        return {each.id: each.marks for each in reply.executions} if reply.on else None

    def _conversation(
        self, lines: SharedLines, reply: shapes.AcceptedReply, owner: str, after: int
    ) -> EngineConversation:
        def aside(control: Control) -> None:
            self.control(reply.id, owner, control)

        return EngineConversation(lines, reply.id, reply.replayed, after, aside)

    def _ask(self, call: JsonObject, kind: type[_Reply]) -> _Reply:
        lines, reply = self._open(call, kind)
        lines.close()
        return reply

    def _open(self, call: JsonObject, kind: type[_Reply]) -> tuple[SharedLines, _Reply]:
        lines = self._connected(SharedLines)
        return lines, self._call(lines, call, kind)

    def _connected(self, kind: type[_Link]) -> _Link:
        """A new connection.

        Raises:
            EngineUnavailable: nobody answers.
        """
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(REPLY_TIMEOUT_S)
            link.connect(str(self._socket_path))
            return kind(link)
        except OSError as error:
            link.close()
            raise EngineUnavailable("reach the engine") from error

    def _call(self, lines: Lines, call: JsonObject, kind: type[_Reply]) -> _Reply:
        """Make one call; the reply is of ``kind``, or is raised.

        Raises:
            EngineUnavailable: nobody answers, or not in time.
            VibecellError: what the engine refused with.
        """
        try:
            lines.ask(call)
            line = lines.receive(REPLY_TIMEOUT_S)
            if not line:
                raise EngineUnavailable("reach the engine", "it closed the connection")
            reply = decode_internal_reply(line)
            if isinstance(reply, shapes.ErrorReply):
                raise decode_internal_error(reply)
            if not isinstance(reply, kind):
                raise ProtocolViolation("read the engine's reply")
        except OSError as error:
            lines.close()
            raise EngineUnavailable("reach the engine") from error
        except BaseException:
            lines.close()
            raise
        return reply


def _execute_call(
    request: ExecutionRequest, owner: str, idempotency_key: str | None, *, follow: shapes.Follow
) -> JsonObject:
    return {
        "call": "execute",
        "request": encode_internal_request(request),
        "owner": owner,
        "idempotency_key": idempotency_key,
        "follow": follow,
    }
