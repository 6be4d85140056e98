"""One conversation on the engine's socket.

Owns the engine's end of the engine protocol: one call, its reply, events down
and controls up. Refuses whatever the protocol does not know; a line that is
wrong ends its own conversation only.
"""

import asyncio
import contextlib
import logging
from time import monotonic_ns

from vibecell.engine.execution import Execution
from vibecell.engine.executions import Executions
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import (
    Conflict,
    FieldProblem,
    InvalidRequest,
    MalformedRequest,
    PlatformError,
    RequestError,
    VibecellError,
)
from vibecell.model.language import Offer
from vibecell.wire import link_models as shapes
from vibecell.wire.json_text import compact_json
from vibecell.wire.link import (
    control_from_link,
    decode_internal_call,
    decode_internal_control,
    decode_internal_request,
    encode_internal_error,
)
from vibecell.wire.views import JsonObject, encode_offer

CALL_TIMEOUT_S = 30.0
NEXT_CALL_TIMEOUT_S = 5.0
CONTROL_TIMEOUT_S = 5.0
_LOG = logging.getLogger(__name__)


class Connection:
    """Answers one client.

    Args:
        executions: all of them.
        offer: what can be run.
        capabilities: what was measured at start.
    """

    def __init__(self, executions: Executions, offer: Offer, capabilities: Capabilities) -> None:
        self._executions = executions
        self._offer = offer
        self._capabilities = capabilities
        self._between_calls: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """Close the connections on which no call is under way."""
        for writer in self._between_calls:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold the whole conversation; leaves closing to the caller."""
        wait_s = CALL_TIMEOUT_S
        while await self._converse(reader, writer, wait_s):
            wait_s = NEXT_CALL_TIMEOUT_S

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_s: float
    ) -> bool:
        """One call and what follows it; tells whether another call may come."""
        self._between_calls.add(writer)
        try:
            async with asyncio.timeout(wait_s):
                line = await _line(reader)
        except TimeoutError:
            return False
        except VibecellError as error:
            await _send(writer, encode_internal_error(error))
            return False
        finally:
            self._between_calls.discard(writer)
        if not line:
            return False
        try:
            reply, followed, after = await self._answer(line)
        except VibecellError as error:
            await _send(writer, encode_internal_error(error))
            return False
        except Exception:
            _LOG.exception("a call failed")
            await _send(writer, encode_internal_error(PlatformError("answer the call")))
            return False
        if followed is None:
            await _send(writer, reply)
            return False
        if after is None:
            await _send(writer, reply)
            last_line = await followed.log.last_line()
            # before it is written: the reader may be done with it before we go on
            followed.marks.note_first("told")
            writer.write(last_line)
            await writer.drain()
            return True
        with followed.log.held():  # no wait between finding it and this
            await _send(writer, reply)
            await _follow(followed, after, reader, writer)
        return False

    async def _answer(self, line: bytes) -> tuple[JsonObject, Execution | None, int | None]:
        """The reply to a call, and what to follow after it, from where.

        From nowhere (``None``) where the result alone is wanted.
        """
        read_ns = monotonic_ns()
        call = decode_internal_call(line)
        match call:
            case shapes.ExecuteCall():
                request = decode_internal_request(call.request)
                execution, replayed = self._executions.begin(
                    request, call.owner, call.idempotency_key
                )
                if not replayed:
                    execution.marks.note("call", read_ns)
                    execution.marks.note("admitted")
                accepted: JsonObject = {
                    "reply": "accepted",
                    "id": execution.id,
                    "replayed": replayed,
                }
                after = None if call.follow == "result" else 0
                return accepted, execution if call.follow else None, after
            case shapes.AttachCall():
                execution = self._executions.find(call.id, call.owner)
                if call.after > execution.log.last_seq:
                    raise InvalidRequest(FieldProblem("after", "is beyond the last event"))
                return {"reply": "accepted", "id": execution.id}, execution, call.after
            case shapes.InspectCall():
                return _state(self._executions.find(call.id, call.owner)), None, 0
            case shapes.ControlCall():
                await self._control(call)
                return {"reply": "done"}, None, 0
            case shapes.LanguagesCall():
                return {"reply": "languages", **encode_offer(self._offer)}, None, 0
            case shapes.HealthCall():
                return self._health(), None, 0
            case shapes.TraceCall():
                return self._traced(), None, 0

    async def _control(self, call: shapes.ControlCall) -> None:
        execution = self._executions.find(call.id, call.owner)
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT_S):
                await execution.control(control_from_link(call.control))
        except TimeoutError as error:
            raise Conflict("the program is not reading its input") from error

    def _traced(self) -> JsonObject:
        traces = self._executions.traces
        return {"reply": "trace", "on": traces.on, "executions": traces.shown()}

    def _health(self) -> JsonObject:
        known = self._capabilities
        layers = [
            {
                "name": x.name,
                "enforced": x.enforced,
                "detail": x.detail,
                "mend": x.mend,
                "required": x.required,
            }
            for x in known.layers
        ]
        return {
            "reply": "health",
            "ready": not self._executions.stopping and not known.missing,
            "capabilities": {"backend": known.backend, "wall": known.wall, "layers": layers},
            "counts": self._executions.counts(),
        }


def _state(execution: Execution) -> JsonObject:
    return {
        "reply": "state",
        "id": execution.id,
        "state": execution.state,
        "result": execution.log.result_object(),
    }


async def _follow(
    execution: Execution,
    after: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Events down until the last one, controls up until the client leaves."""
    controls = asyncio.create_task(_take_controls(execution, reader))
    events = asyncio.create_task(_send_events(execution, after, writer))
    try:
        await asyncio.wait((controls, events), return_when=asyncio.FIRST_COMPLETED)
    finally:
        controls.cancel()
        events.cancel()
        await asyncio.gather(controls, events, return_exceptions=True)


async def _send_events(execution: Execution, after: int, writer: asyncio.StreamWriter) -> None:
    try:
        async for batch in execution.log.read(after):
            writer.write(batch)
            await writer.drain()
    except PlatformError as error:
        # its stream ends early, which its client makes an honest end of
        _LOG.error("events of execution %s are lost: %s", execution.id, error)


async def _take_controls(execution: Execution, reader: asyncio.StreamReader) -> None:
    """Returns when the client leaves or says what is no control."""
    while line := await _line(reader):
        try:
            await execution.control(decode_internal_control(line))
        except Conflict:
            continue  # input after its end: there is nobody left to tell
        except RequestError as error:
            _LOG.warning("a conversation was ended: its control was wrong: %s", error)
            return


async def _line(reader: asyncio.StreamReader) -> bytes:
    """One line; nothing where the client has left.

    Raises:
        MalformedRequest: the line is too long.
    """
    try:
        return (await reader.readuntil(b"\n"))[:-1]
    except asyncio.LimitOverrunError as error:
        raise MalformedRequest("the line is too long") from error
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def _send(writer: asyncio.StreamWriter, message: JsonObject) -> None:
    with contextlib.suppress(ConnectionError):  # it left; nothing depends on its reading
        writer.write(compact_json(message) + b"\n")
        await writer.drain()
