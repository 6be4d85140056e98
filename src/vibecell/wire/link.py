"""The codec of the engine link: calls and replies, and the model itself.

Owns the messages of the engine protocol and how they are cut out of a stream of
bytes: a length of four bytes in network order, then so many bytes of MessagePack.
What the model says once is not said again here: requests, events, controls and results
travel as they are. Refuses a message that does not fit its type. The engine's end raises
``RequestError`` (the peer's call is wrong), the client's end ``ProtocolViolation`` (the
engine broke its word).
"""

import re
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, msgpack

from vibecell.model import errors
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import (
    FieldProblem,
    InvalidRequest,
    MalformedRequest,
    ProtocolViolation,
    VibecellError,
)
from vibecell.model.events import MAX_INPUT_CHARACTERS, Control, Finished, NumberedEvent
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.language import Offer
from vibecell.model.marks import Moment
from vibecell.model.measures import Measured
from vibecell.model.names import ExecutionId
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.status import ExecutionState, Health, Listing, Selection, Standing

LENGTH_BYTES = 4
MAX_CALL_BYTES = 8 * 1024 * 1024
# the longest text of one control, each character of four bytes, and what is around it
MAX_CONTROL_BYTES = 4 * MAX_INPUT_CHARACTERS + 1024
MAX_REPLY_BYTES = 16 * 1024 * 1024

IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=256)]
Count = Annotated[int, Meta(ge=0)]
#: What comes after the reply: every event, nothing, or ``finished`` alone.
Follow = Literal["events", "nothing", "result"]


class _Call(msgspec.Struct, frozen=True, tag_field="call", forbid_unknown_fields=True):
    """What a client asks first."""


class ExecuteCall(_Call, frozen=True, tag="execute"):
    """Begin an execution."""

    request: ExecutionRequest
    account: Account
    idempotency_key: IdempotencyKey | None = None
    follow: Follow = "events"
    provenance: Provenance = NO_REQUEST


class AttachCall(_Call, frozen=True, tag="attach"):
    """Follow an execution from the event after ``after``."""

    id: ExecutionId
    owner: Owner
    after: Count = 0


class InspectCall(_Call, frozen=True, tag="inspect"):
    """Where is it?"""

    id: ExecutionId
    owner: Owner


class ListCall(_Call, frozen=True, tag="list"):
    """Which are there?"""

    owner: Owner
    selection: Selection = Selection()


class ControlCall(_Call, frozen=True, tag="control"):
    """Pass one control on."""

    id: ExecutionId
    owner: Owner
    control: Control


class OfferCall(_Call, frozen=True, tag="offer"):
    """What can be run?"""


class HealthCall(_Call, frozen=True, tag="health"):
    """How are you?"""


class MeasuresCall(_Call, frozen=True, tag="measures"):
    """What is measured of you?"""


class TracesCall(_Call, frozen=True, tag="traces"):
    """What was noted of the latest executions?"""


Call = (
    ExecuteCall
    | AttachCall
    | InspectCall
    | ListCall
    | ControlCall
    | OfferCall
    | HealthCall
    | MeasuresCall
    | TracesCall
)


class _Reply(msgspec.Struct, frozen=True, tag_field="reply", forbid_unknown_fields=True):
    """What the engine answers first."""


class AcceptedReply(_Reply, frozen=True, tag="accepted"):
    """The execution is there; what follows was asked for in the call."""

    standing: Standing


class StateReply(_Reply, frozen=True, tag="state"):
    """Where it is."""

    state: ExecutionState


class ListReply(_Reply, frozen=True, tag="list"):
    """These are."""

    listing: Listing


class DoneReply(_Reply, frozen=True, tag="done"):
    """It was passed on."""


class OfferReply(_Reply, frozen=True, tag="offer"):
    """What can be run."""

    offer: Offer


class HealthReply(_Reply, frozen=True, tag="health"):
    """How the engine is."""

    health: Health


class MeasuresReply(_Reply, frozen=True, tag="measures"):
    """What is measured in the engine's process; each family once."""

    measured: tuple[Measured, ...]


class Trace(msgspec.Struct, frozen=True):
    """The moments of one execution, in nanoseconds of ``CLOCK_MONOTONIC``."""

    id: str
    marks: dict[Moment, int]


class TracesReply(_Reply, frozen=True, tag="traces"):
    """The moments of the latest executions, where they are noted (``on``)."""

    on: bool
    executions: list[Trace]


class RefusedReply(_Reply, frozen=True, tag="refused"):
    """The call is refused, with an error of ``model/errors.py`` by its name."""

    error: str
    message: str
    problems: tuple[FieldProblem, ...] = ()
    retry_after_s: int | None = None


Reply = (
    AcceptedReply
    | StateReply
    | ListReply
    | DoneReply
    | OfferReply
    | HealthReply
    | MeasuresReply
    | TracesReply
    | RefusedReply
)
_Message = TypeVar("_Message")
# The names in it are ours: an unknown one is told without a place of its own.
_WHERE = re.compile(r" - at `\$\.([\w.\[\]]{1,100})`\Z", re.ASCII)


def _plain(value: object) -> object:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel")


_ENCODER = msgpack.Encoder(enc_hook=_plain)
_STABLE_ENCODER = msgpack.Encoder(enc_hook=_plain, order="deterministic")
_CALL: msgpack.Decoder[Call] = msgpack.Decoder(Call)
_REPLY: msgpack.Decoder[Reply] = msgpack.Decoder(Reply)
_CONTROL: msgpack.Decoder[Control] = msgpack.Decoder(Control)
_EVENT = msgpack.Decoder(NumberedEvent)


def encode_message(message: Call | Reply | Control | NumberedEvent) -> bytes:
    """A message as it goes over the link, its length included.

    Raises:
        MalformedRequest: a text in it is none in UTF-8.
    """
    buffer = bytearray(LENGTH_BYTES)
    try:
        _ENCODER.encode_into(message, buffer, LENGTH_BYTES)
    except UnicodeEncodeError as error:
        raise MalformedRequest("a string holds a lone surrogate") from error
    buffer[:LENGTH_BYTES] = (len(buffer) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return bytes(buffer)


def message_bytes(header: bytes | bytearray) -> int:
    """Bytes of the message that its first ``LENGTH_BYTES`` announce."""
    return int.from_bytes(header[:LENGTH_BYTES], "big")


def same_bytes(request: ExecutionRequest) -> bytes:
    """Bytes that are the same for equal requests, and for no others."""
    return _STABLE_ENCODER.encode(request)


def decode_call(data: bytes | bytearray) -> Call:
    """The call a message holds.

    Raises:
        MalformedRequest: it cannot be read.
        InvalidRequest: it does not fit, or breaks a rule of the model; names where.
    """
    return _asked(_CALL, data)


def decode_control(data: bytes | bytearray) -> Control:
    """The control a message holds; raises as ``decode_call``."""
    return _asked(_CONTROL, data)


def decode_reply(data: bytes) -> Reply:
    """The reply a message holds.

    Raises:
        ProtocolViolation: it is no reply.
    """
    return decode_answer(_REPLY, data, "read the engine's reply")


def decode_event(data: bytes) -> NumberedEvent:
    """The event a message holds.

    Raises:
        ProtocolViolation: it is no event.
    """
    return decode_answer(_EVENT, data, "read the engine's events")


def decode_result(data: bytes) -> Result:
    """The result that the last event holds.

    Raises:
        ProtocolViolation: it is no last event.
    """
    event = decode_answer(_EVENT, data, "read the engine's result").event
    if not isinstance(event, Finished):
        raise ProtocolViolation("read the engine's result")
    return event.result


def refused(error: VibecellError) -> RefusedReply:
    """A refusal as the link carries it; an error of ours tells no detail."""
    return RefusedReply(
        error=type(error).__name__,
        message=error.step if isinstance(error, errors.PlatformError) else str(error),
        problems=error.problems if isinstance(error, InvalidRequest) else (),
        retry_after_s=error.retry_after_s if isinstance(error, errors.CapacityError) else None,
    )


def error_of(reply: RefusedReply) -> VibecellError:
    """The error a refusal means, to be raised by the client."""
    kind = getattr(errors, reply.error, None)
    if kind is InvalidRequest and reply.problems:
        return InvalidRequest(*reply.problems)
    if not isinstance(kind, type) or kind is InvalidRequest:
        return ProtocolViolation("read the engine's refusal")
    if issubclass(kind, errors.CapacityError):
        return kind(reply.message, reply.retry_after_s or 1)
    if issubclass(kind, errors.RequestError | errors.PlatformError):
        return kind(reply.message)
    return ProtocolViolation("read the engine's refusal")


def _asked(decoder: "msgpack.Decoder[_Message]", data: bytes | bytearray) -> _Message:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        # what was sent is not repeated, nor what it named: only where it is wrong
        found = _WHERE.search(str(error))
        where = found[1] if found else "message"
        raise InvalidRequest(FieldProblem(where, "does not fit the protocol")) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("the message cannot be read") from error


def decode_answer(decoder: "msgpack.Decoder[_Message]", data: bytes, step: str) -> _Message:
    """What another process of ours says, of any link.

    Args:
        decoder: of what it may be.
        data: a message, without its length.
        step: in which it is read, for the error.

    Raises:
        ProtocolViolation: it is none.
    """
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, VibecellError) as error:
        raise ProtocolViolation(step) from error
