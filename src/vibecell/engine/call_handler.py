"""What is said on the engine's socket.

Owns the engine's end of the engine protocol: one call, its reply, events down
and controls up. Refuses whatever the protocol does not know; a message that is
wrong ends its own conversation only.
"""

import asyncio
import contextlib
import logging
from time import monotonic_ns
from typing import TypeGuard, assert_never

from vibecell.engine.executions import Executions
from vibecell.engine.followers import Followers, has_left, last_message
from vibecell.engine.keeping import Kept
from vibecell.engine.link_streams import read_message
from vibecell.engine.measuring import Measuring
from vibecell.engine.whole_result import whole_message
from vibecell.model.caller import Owner
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import (
    Conflict,
    FieldProblem,
    InvalidRequest,
    PlatformError,
    RequestError,
    VibecellError,
)
from vibecell.model.events import Control
from vibecell.model.language import Offer
from vibecell.model.status import Health
from vibecell.wire import link as wire

CALL_TIMEOUT_S = 30.0
NEXT_CALL_TIMEOUT_S = 5.0
CONTROL_TIMEOUT_S = 5.0
LEFT_CHECK_S = 1.0
_LOG = logging.getLogger(__name__)


class CallHandler:
    """Answers the clients of one engine.

    Args:
        executions: all of them.
        offer: what can be run.
        capabilities: what was measured at start.
        max_followers: connections that follow an execution at once, of all users of a key.
        restarts: see ``Measuring``.
    """

    def __init__(
        self,
        executions: Executions,
        offer: Offer,
        capabilities: Capabilities,
        max_followers: int,
        restarts: int = 0,
    ) -> None:
        self._executions = executions
        self._offer = offer
        self._capabilities = capabilities
        self._followers = Followers(max_followers)
        self._measuring = Measuring(executions, capabilities, restarts)
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
                message = await read_message(reader, wire.MAX_CALL_BYTES)
        except TimeoutError:
            return False
        except VibecellError as error:
            await _send(writer, wire.refused(error))
            return False
        finally:
            self._between_calls.discard(writer)
        if not message:
            return False
        read_ns = monotonic_ns()
        try:
            call = wire.decode_call(message)
            if not _follows(call):
                reply, _, _ = await self._answered(call, read_ns)
                await _send(writer, reply)
                return False
            with self._followers.place(_asker(call)):
                return await self._serve_follower(call, read_ns, reader, writer)
        except VibecellError as error:
            await _send(writer, wire.refused(error))
            return False

    async def _serve_follower(
        self,
        call: wire.ExecuteCall | wire.AttachCall,
        read_ns: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """The reply, and what was asked for after it; tells whether another call may come."""
        reply, followed, after = await self._answered(call, read_ns)
        assert followed is not None
        with followed.log.held():  # no wait between finding it and this
            await _send(writer, reply)
            if after is not None:
                await _follow(followed, after, reader, writer)
                return False
            last = await last_message(followed.log, reader)
            if last is None:
                return False
            told = whole_message(followed.log, last)
            # before it is written: the reader may be done with it before we go on
            followed.marks.note_first("told")
            writer.write(told)
            await writer.drain()
        return True

    async def _answered(
        self, call: wire.Call, read_ns: int
    ) -> tuple[wire.Reply, Kept | None, int | None]:
        """See ``_answer``; whatever fails is an error of ours.

        Raises:
            VibecellError: the refusal.
        """
        try:
            return await self._answer(call, read_ns)
        except VibecellError:
            raise
        except Exception as error:
            _LOG.exception("a call failed")
            raise PlatformError("answer the call") from error

    async def _answer(
        self, call: wire.Call, read_ns: int
    ) -> tuple[wire.Reply, Kept | None, int | None]:
        """The reply to a call, and what to follow after it, from which event on.

        From none (``None``) where the result alone is wanted.
        """
        match call:
            case wire.ExecuteCall():
                kept, replayed = self._executions.admit(
                    call.request, call.account, call.idempotency_key, call.provenance
                )
                if not replayed:
                    kept.marks.note("call", read_ns)
                    kept.marks.note("admitted")
                accepted = wire.AcceptedReply(kept.standing(replayed=replayed))
                after = None if call.follow == "result" else 0
                return accepted, None if call.follow == "nothing" else kept, after
            case wire.AttachCall():
                kept = self._executions.find(call.id, call.owner)
                if call.after > kept.log.last_seq:
                    raise InvalidRequest(FieldProblem("after", "is beyond the last event"))
                return wire.AcceptedReply(kept.standing()), kept, call.after
            case wire.InspectCall():
                kept = self._executions.find(call.id, call.owner)
                return wire.StateReply(kept.inspected()), None, 0
            case wire.ListCall():
                return wire.ListReply(self._executions.listed(call.owner, call.selection)), None, 0
            case wire.ControlCall():
                await self._control(call)
                return wire.DoneReply(), None, 0
            case wire.OfferCall():
                return wire.OfferReply(self._offer), None, 0
            case wire.HealthCall():
                return wire.HealthReply(self._health()), None, 0
            case wire.MeasuresCall():
                found = await self._measuring.measured(self._is_ready)
                return wire.MeasuresReply(found), None, 0
            case wire.TracesCall():
                traces = self._executions.traces
                return wire.TracesReply(traces.on, traces.shown()), None, 0
            case _:
                assert_never(call)

    async def _control(self, call: wire.ControlCall) -> None:
        kept = self._executions.find(call.id, call.owner)
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT_S):
                await kept.control(call.control)
        except TimeoutError as error:
            raise Conflict("the program is not reading its input") from error

    @property
    def _is_ready(self) -> bool:
        return not self._executions.stopping and not self._capabilities.missing

    def _health(self) -> Health:
        return Health(self._is_ready, self._capabilities, self._executions.counts())


async def _follow(
    kept: Kept, after: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Events down until the last one, controls up until the client leaves."""
    controls = asyncio.create_task(_obey_controls(kept, reader, writer))
    events = asyncio.create_task(_send_events(kept, after, writer))
    try:
        await asyncio.wait((controls, events), return_when=asyncio.FIRST_COMPLETED)
    finally:
        controls.cancel()
        events.cancel()
        await asyncio.gather(controls, events, return_exceptions=True)


async def _send_events(kept: Kept, after: int, writer: asyncio.StreamWriter) -> None:
    try:
        async for batch in kept.log.read(after):
            writer.write(batch)
            await writer.drain()
    except PlatformError as error:
        # its stream ends early, which its client makes an honest end of
        _LOG.error("events of execution %s are lost: %s", kept.id, error)


async def _obey_controls(
    kept: Kept, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Returns when the client has left, after all it said, or says what is no control."""
    try:
        while message := await read_message(reader, wire.MAX_CONTROL_BYTES):
            if not await _obeyed(kept, wire.decode_control(message), writer):
                return
    except RequestError as error:
        _LOG.warning("a conversation was ended: its control was wrong: %s", error)


async def _obeyed(kept: Kept, control: Control, writer: asyncio.StreamWriter) -> bool:
    """Wait until a control is taken; not for ever where its sender has left."""
    taken = asyncio.create_task(kept.control(control))
    wait_s = CONTROL_TIMEOUT_S
    try:
        while not (await asyncio.wait((taken,), timeout=wait_s))[0]:
            if has_left(writer):
                return False
            wait_s = LEFT_CHECK_S
        with contextlib.suppress(Conflict):  # input after its end: nobody is left to tell
            taken.result()
        return True
    finally:
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)


def _asker(call: wire.ExecuteCall | wire.AttachCall) -> Owner:
    return call.account.owner if isinstance(call, wire.ExecuteCall) else call.owner


def _follows(call: wire.Call) -> TypeGuard[wire.ExecuteCall | wire.AttachCall]:
    """Whether more than a reply is wanted."""
    if isinstance(call, wire.ExecuteCall):
        return call.follow != "nothing"
    return isinstance(call, wire.AttachCall)


async def _send(writer: asyncio.StreamWriter, reply: wire.Reply) -> None:
    with contextlib.suppress(ConnectionError):  # it left; nothing depends on its reading
        writer.write(wire.encode_message(reply))
        await writer.drain()
