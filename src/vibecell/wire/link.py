"""The codec of the engine link: model values to lines and back.

Owns both directions; refuses a line that does not fit its model exactly. The
engine's end raises ``RequestError`` (the peer's call is wrong), the client's
end ``ProtocolViolation`` (the engine broke its word).
"""

from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from vibecell.model import errors
from vibecell.model.errors import FieldProblem, InvalidRequest, ProtocolViolation, VibecellError
from vibecell.model.events import (
    Cancel,
    Control,
    Display,
    EndOfInput,
    Event,
    Exited,
    Finished,
    NumberedEvent,
    Queued,
    Resize,
    Signal,
    Started,
    Stdin,
    Stream,
)
from vibecell.model.execution import (
    ExecutionRequest,
    Outcome,
    OutputFile,
    Result,
    SourceFile,
    StageOutcome,
    Usage,
)
from vibecell.model.language import Language, Offer
from vibecell.model.limits import Limits
from vibecell.wire import link_models as shapes
from vibecell.wire.fields import encode_base64, problems_of
from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.views import JsonObject, event_object, result_object

MAX_CALL_LINE_BYTES = 8 * 1024 * 1024
MAX_REPLY_LINE_BYTES = 16 * 1024 * 1024

_CALL: TypeAdapter[shapes.LinkCall] = TypeAdapter(shapes.LinkCall)
_FINISHED: TypeAdapter[shapes.LinkFinished] = TypeAdapter(shapes.LinkFinished)
_CONTROL: TypeAdapter[shapes.LinkControl] = TypeAdapter(shapes.LinkControl)
_EVENT: TypeAdapter[shapes.LinkEvent] = TypeAdapter(shapes.LinkEvent)
_REPLY: TypeAdapter[shapes.LinkReply] = TypeAdapter(shapes.LinkReply)


def encode_internal_request(request: ExecutionRequest) -> JsonObject:
    """A request as the link carries it."""
    limits = request.limits
    return {
        "language": request.language,
        "version": request.version,
        "files": [{"path": f.path, "content": encode_base64(f.content)} for f in request.files],
        "entrypoint": request.entrypoint,
        "args": list(request.args),
        "stdin": encode_base64(request.stdin),
        "env": dict(request.env),
        "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
        "interactive": request.interactive,
        "expected_output": request.expected_output,
        "encoding": request.encoding,
        "on_disconnect": request.on_disconnect,
        "request_class": request.request_class,
    }


def decode_internal_request(body: shapes.LinkRequest) -> ExecutionRequest:
    """The request a validated body means.

    Raises:
        InvalidRequest: it breaks a rule of the model.
    """
    return ExecutionRequest(
        language=body.language,
        version=body.version,
        files=tuple(SourceFile(f.path, f.content) for f in body.files),
        entrypoint=body.entrypoint,
        args=tuple(body.args),
        stdin=body.stdin,
        env=MappingProxyType(body.env),
        limits=Limits(**vars(body.limits)),
        interactive=body.interactive,
        expected_output=body.expected_output,
        encoding=body.encoding,
        on_disconnect=body.on_disconnect,
        request_class=body.request_class,
    )


def encode_internal_control(control: Control) -> JsonObject:
    """A control as the link carries it."""
    match control:
        case Stdin(data):
            return {"type": "stdin", "data": encode_base64(data)}
        case EndOfInput():
            return {"type": "end_of_input"}
        case Resize(columns, rows):
            return {"type": "resize", "columns": columns, "rows": rows}
        case Signal(name):
            return {"type": "signal", "name": name}
        case Cancel():
            return {"type": "cancel"}


def control_from_link(body: shapes.LinkControl) -> Control:
    """The control a validated body means."""
    match body:
        case shapes.LinkStdin():
            return Stdin(body.data)
        case shapes.LinkEndOfInput():
            return EndOfInput()
        case shapes.LinkResize():
            return Resize(body.columns, body.rows)
        case shapes.LinkSignal():
            return Signal(body.name)
        case shapes.LinkCancel():
            return Cancel()


def encode_internal_event(numbered: NumberedEvent) -> bytes:
    """An event as one line of the link, its ``\\n`` included."""
    return compact_json(event_object(numbered, encode_base64, _link_file)) + b"\n"


def encode_internal_result(result: Result) -> JsonObject:
    """A result as the link carries it."""
    return result_object(result, encode_base64, _link_file)


def encode_internal_error(error: VibecellError) -> JsonObject:
    """A refusal as the link carries it; an error of ours tells no detail."""
    reply: JsonObject = {
        "reply": "error",
        "error": type(error).__name__,
        "message": str(error),
        "problems": [],
    }
    if isinstance(error, InvalidRequest):
        reply["problems"] = [{"path": p.path, "message": p.message} for p in error.problems]
    if isinstance(error, errors.CapacityError):
        reply["retry_after_s"] = error.retry_after_s
    if isinstance(error, errors.PlatformError):
        reply["message"] = error.step
    return reply


def decode_internal_call(line: bytes) -> shapes.LinkCall:
    """The call a line holds.

    Raises:
        MalformedRequest: not readable as JSON.
        InvalidRequest: names each wrong field.
    """
    try:
        return _CALL.validate_python(strict_json_loads(line))
    except ValidationError as error:
        raise InvalidRequest(*problems_of(error)) from error


def decode_internal_control(line: bytes) -> Control:
    """The control a line holds.

    Raises:
        MalformedRequest: not readable as JSON.
        InvalidRequest: names each wrong field.
    """
    try:
        return control_from_link(_CONTROL.validate_python(strict_json_loads(line)))
    except ValidationError as error:
        raise InvalidRequest(*problems_of(error)) from error


def decode_internal_reply(line: bytes) -> shapes.LinkReply:
    """The reply a line holds.

    Raises:
        ProtocolViolation: it is no reply.
    """
    try:
        return _REPLY.validate_json(line)
    except ValidationError as error:
        raise ProtocolViolation("read the engine's reply") from error


def decode_internal_event(line: bytes) -> NumberedEvent:
    """The event a line holds.

    Raises:
        ProtocolViolation: it is no event.
    """
    try:
        body = _EVENT.validate_json(line)
    except ValidationError as error:
        raise ProtocolViolation("read the engine's events") from error
    return NumberedEvent(body.seq, _event(body))


def decode_internal_finished(line: bytes) -> Result:
    """The result that the last event's line holds.

    Raises:
        ProtocolViolation: it is no such line.
    """
    try:
        body = _FINISHED.validate_json(line)
    except ValidationError as error:
        raise ProtocolViolation("read the engine's result") from error
    return decode_internal_result(body.result)


def decode_internal_result(body: shapes.LinkResult) -> Result:
    """The result a validated body means."""
    return Result(
        id=body.id,
        verdict=body.verdict,
        stages=tuple(StageOutcome(s.stage, _outcome(s.outcome)) for s in body.stages),
        stdout=body.stdout,
        stderr=body.stderr,
        output=body.output,
        truncated=body.truncated,
        usage=_usage(body.usage),
        files=tuple(OutputFile(f.path, f.content) for f in body.files),
        message=body.message,
    )


def decode_internal_error(body: shapes.ErrorReply) -> VibecellError:
    """The error a refusal means, to be raised by the client."""
    kind = getattr(errors, body.error, None)
    if kind is InvalidRequest and body.problems:
        return InvalidRequest(*(FieldProblem(p.path, p.message) for p in body.problems))
    if not isinstance(kind, type) or kind is InvalidRequest:
        return ProtocolViolation("read the engine's refusal")
    if issubclass(kind, errors.CapacityError):
        return kind(body.message, body.retry_after_s or 1)
    if issubclass(kind, errors.RequestError | errors.PlatformError):
        return kind(body.message)
    return ProtocolViolation("read the engine's refusal")


def decode_internal_offer(body: shapes.LanguagesReply) -> Offer:
    """The languages as far as the link tells of them: neither argv nor profiles."""
    classes = {name: _languages(known) for name, known in body.classes.items()}
    return Offer(_languages(body.languages), MappingProxyType(classes))


def _languages(bodies: list[shapes.LinkLanguage]) -> tuple[Language, ...]:
    return tuple(
        Language(
            name=body.name,
            display_name=body.display_name,
            version=body.version,
            aliases=tuple(body.aliases),
            entrypoint=body.entrypoint,
            mode=body.mode,
            example=body.example,
        )
        for body in bodies
    )


def _event(body: shapes.LinkEvent) -> Event:
    match body:
        case shapes.LinkStream():
            return Stream(body.stage, body.name, body.data)
        case shapes.LinkQueued():
            return Queued(body.position)
        case shapes.LinkStarted():
            return Started(body.stage)
        case shapes.LinkDisplay():
            return Display(MappingProxyType(body.data))
        case shapes.LinkExited():
            return Exited(body.stage, _outcome(body.outcome))
        case shapes.LinkFinished():
            return Finished(decode_internal_result(body.result))


def _outcome(body: shapes.LinkOutcome) -> Outcome:
    return Outcome(body.verdict, body.exit_code, body.signal, _usage(body.usage), body.message)


def _usage(body: shapes.LinkUsage) -> Usage:
    return Usage(**body.model_dump())


def _link_file(file: OutputFile) -> JsonObject:
    return {"path": file.path, "content": encode_base64(file.content)}
