"""The engine seen from another process: a blocking ``Executor``.

Owns the client's end of the engine protocol; refuses to retry or to reconnect:
what a lost engine means is decided once, here, by ending the stream as its
laws demand.

Works in threads and, where sockets are cooperative, in greenlets.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vibecell.engine.executor import Conversation, ExecutionState, Executor, Health
from vibecell.engine.output import OutputKeeper
from vibecell.model.errors import (
    Conflict,
    EngineUnavailable,
    ProtocolViolation,
    UnknownExecution,
)
from vibecell.model.events import Cancel, Control, Finished, NumberedEvent, Signal, Stream
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.language import Language
from vibecell.model.verdicts import Verdict
from vibecell.wire import link_models as shapes
from vibecell.wire.fields import StrictModel
from vibecell.wire.json_text import compact_json
from vibecell.wire.link import (
    MAX_REPLY_LINE_BYTES,
    decode_internal_error,
    decode_internal_event,
    decode_internal_language,
    decode_internal_reply,
    decode_internal_result,
    encode_internal_control,
    encode_internal_request,
)
from vibecell.wire.views import JsonObject

__all__ = ["Conversation", "EngineClient", "ExecutionState", "Executor", "Health"]

REPLY_TIMEOUT_S = 30.0
_FOR_EVER_S = 7 * 86_400.0
_CHUNK_BYTES = 64 * 1024
_Reply = TypeVar("_Reply", bound=StrictModel)
LOST_MESSAGE = "the platform failed while the program was running"


class _Lines:
    """Lines of a socket, bounded, in time; one reader and any number of senders.

    Reader and senders have a socket object each, because a timeout is the
    object's. Neither is ever without one, because "none" would change the
    blocking mode, which both objects share.

    Source: socket(7), dup(2): O_NONBLOCK belongs to the open file description.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link.settimeout(REPLY_TIMEOUT_S)
        self._sender = link.dup()
        self._sender.settimeout(_FOR_EVER_S)
        self._buffer = bytearray()
        self._searched = 0
        self._sending = threading.Lock()

    def send(self, message: JsonObject) -> None:
        data = compact_json(message) + b"\n"
        with self._sending:
            self._sender.sendall(data)

    def receive(self, timeout_s: float | None) -> bytes:
        """One line, or nothing at the end of the stream.

        Raises:
            TimeoutError: it did not come in time; nothing is lost.
            OSError: the connection broke.
            ProtocolViolation: the line is too long.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._searched = 0
                return line
            self._searched = len(self._buffer)
            if self._searched > MAX_REPLY_LINE_BYTES:
                raise ProtocolViolation("read a line of the engine")
            left_s = _FOR_EVER_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._link.settimeout(left_s)
            data = self._link.recv(_CHUNK_BYTES)
            if not data:
                return b""
            self._buffer += data

    def close(self) -> None:
        # shutdown, so that a reader in another thread wakes up
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._link.close()
        self._sender.close()


class EngineConversation:
    """A ``Conversation`` over one connection to the engine.

    Input goes down this connection, where a program that does not read holds
    it up. What must not be held up behind it goes ``aside``.
    """

    def __init__(
        self,
        lines: _Lines,
        execution_id: str,
        replayed: bool,
        after: int,
        aside: Callable[[Control], None],
    ) -> None:
        self._lines = lines
        self._aside = aside
        self._id = execution_id
        self._replayed = replayed
        self._seq = after
        self._kept = OutputKeeper()
        self._ended = False

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._id

    @property
    def replayed(self) -> bool:
        """The idempotency key named an execution that was already there."""
        return self._replayed

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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

    def languages(self) -> tuple[Language, ...]:
        """See ``Executor.languages``."""
        reply = self._ask({"call": "languages"}, shapes.LanguagesReply)
        return tuple(decode_internal_language(x) for x in reply.languages)

    def health(self) -> Health:
        """See ``Executor.health``."""
        reply = self._ask({"call": "health"}, shapes.HealthReply)
        return Health(reply.ready, reply.capabilities.model_dump(), reply.counts)

    def _conversation(
        self, lines: _Lines, reply: shapes.AcceptedReply, owner: str, after: int
    ) -> EngineConversation:
        def aside(control: Control) -> None:
            self.control(reply.id, owner, control)

        return EngineConversation(lines, reply.id, reply.replayed, after, aside)

    def _ask(self, call: JsonObject, kind: type[_Reply]) -> _Reply:
        lines, reply = self._open(call, kind)
        lines.close()
        return reply

    def _open(self, call: JsonObject, kind: type[_Reply]) -> tuple[_Lines, _Reply]:
        """Make one call; the reply is of ``kind``, or is raised.

        Raises:
            EngineUnavailable: nobody answers, or not in time.
            VibecellError: what the engine refused with.
        """
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        lines = _Lines(link)
        try:
            link.connect(str(self._socket_path))
            lines.send(call)
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
        return lines, reply


def _execute_call(
    request: ExecutionRequest, owner: str, idempotency_key: str | None, *, follow: bool
) -> JsonObject:
    return {
        "call": "execute",
        "request": encode_internal_request(request),
        "owner": owner,
        "idempotency_key": idempotency_key,
        "follow": follow,
    }
