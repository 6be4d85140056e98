"""What clients receive: events, results, states, languages; derived from the model.

Owns how a value of the model is shown, by one rule for each kind of type: bytes as the
client asked for them, times to a thousandth, a file's content as text where it is that. The
shapes that document it come from the same members, and a test holds the two together.
``ExecuteReply`` alone is a shape of its own: the result as a person wants it.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from vibecell.model.events import Event, NumberedEvent
from vibecell.model.execution import Encoding, OutputFile, Result, State
from vibecell.model.language import Offer
from vibecell.model.status import ExecutionState, Listing
from vibecell.model.verdicts import Verdict
from vibecell.wire import members
from vibecell.wire.fields import StrictModel, encode_base64

JsonObject = dict[str, object]
Show = Callable[[Any], object]

#: What ``ExecuteReply`` says in other words, or not at all.
_NOT_IN_REPLY = ("stages", "stdout", "stderr", "output", "message")
_DIGITS_OF_MS = 3
_named: dict[str, type] = {}


class FileView(StrictModel):
    """A file the program left: ``content`` where it is text, else base64."""

    path: str
    content: str | None = None
    content_base64: str | None = None


@lru_cache(64)
def view_of(kind: type) -> type[BaseModel]:
    """The shape in which a value of this type is shown."""
    if kind is OutputFile:
        return FileView
    other = _named.setdefault(members.public_name(kind), kind)
    if other is not kind:
        raise TypeError(f"two types that are shown are called {members.public_name(kind)}")
    fields: dict[str, Any] = {m.name: _field_of(m) for m in members.members_of(kind)}
    if (tag := members.tag_of(kind)) is not None:
        fields = {"seq": (int, ...), "type": (Literal[tag], ...), **fields}
    return create_model(
        f"{members.public_name(kind)}View",
        __base__=StrictModel,
        __doc__=members.summary_of(kind),
        **fields,
    )


@lru_cache(1)
def event_view() -> Any:
    """The shape of any event."""
    return reduce(or_, (view_of(kind) for kind in members.kinds_of(Event)))


@lru_cache(1)
def execute_reply() -> type[BaseModel]:
    """The shape of what ``POST /execute`` answers."""
    said: dict[str, Any] = {
        "success": (bool, ...),
        "output": (str, Field(description="stdout")),
        "error": (str, Field(description="stderr, then what the platform did to the program")),
        "exit_code": (int | None, ...),
        "signal": (str | None, ...),
    }
    kept = {m.name: _field_of(m) for m in members.members_of(Result)}
    fields = said | {name: field for name, field in kept.items() if name not in _NOT_IN_REPLY}
    return create_model(
        "ExecuteReply", __base__=StrictModel, __doc__="Answer of `POST /execute`.", **fields
    )


@lru_cache(1)
def execution_view() -> type[BaseModel]:
    """The shape of the state of an execution."""
    fields: dict[str, Any] = {
        "id": (str, ...),
        "state": (State, ...),
        "result": (view_of(Result) | None, ...),
    }
    told = "State of an execution, and its result once finished."
    return create_model("ExecutionView", __base__=StrictModel, __doc__=told, **fields)


def encode_event(numbered: NumberedEvent, encoding: Encoding = "utf-8") -> JsonObject:
    """An event as the public protocol shows it."""
    event = numbered.event
    return {"seq": numbered.seq, **_shower(type(event), encoding)(event)}


def encode_result(result: Result, encoding: Encoding = "utf-8") -> JsonObject:
    """A result as the public protocol shows it."""
    return _shower(Result, encoding)(result)


def encode_execute_reply(result: Result, encoding: Encoding = "utf-8") -> JsonObject:
    """A result in the form of ``POST /execute``.

    ``error`` is the program's stderr followed by what the platform did to it.
    """
    said = result.stderr
    if result.message:
        gap = b"\n" if said and not said.endswith(b"\n") else b""
        said = said + gap + result.message.encode()
    show = _BYTES[encoding]
    last = result.last_outcome
    return {
        "success": result.verdict is Verdict.ACCEPTED,
        "output": show(result.stdout),
        "error": show(said),
        "exit_code": last.exit_code if last else None,
        "signal": last.signal if last else None,
        **_shower(Result, encoding, _NOT_IN_REPLY)(result),
    }


def encode_execution(execution: ExecutionState, encoding: Encoding = "utf-8") -> JsonObject:
    """State and result of an execution as the public protocol shows them."""
    standing, result = execution.standing, execution.result
    shown = encode_result(result, encoding) if result is not None else None
    return {"id": standing.id, "state": standing.state, "result": shown}


def encode_listing(listing: Listing) -> JsonObject:
    """A page of a list of executions."""
    return _shower(Listing, "utf-8")(listing)


def encode_offer(offer: Offer) -> JsonObject:
    """What a client may know of the languages, for requests of every class."""
    return _shower(Offer, "utf-8")(offer)


def as_text(data: bytes) -> str:
    """UTF-8 as text; what cannot be decoded becomes U+FFFD."""
    return data.decode("utf-8", "replace")


_BYTES: Mapping[Encoding, Callable[[bytes], str]] = {"utf-8": as_text, "base64": encode_base64}


def _field_of(member: members.Member) -> tuple[Any, Any]:
    description = member.description or None
    return _shown_type(member.hint), Field(description=description)


def _shown_type(hint: Any) -> Any:
    kind, _ = members.plain(hint)
    kind, may_be_none = members.optional(kind)
    if may_be_none:
        return _shown_type(kind) | None
    if (item := members.item_of(kind)) is not None:
        return list[_shown_type(item)]  # type: ignore[misc]
    if (value := members.value_of(kind)) is not None:
        return dict[str, _shown_type(value)]  # type: ignore[misc]
    if members.is_object(kind):
        return view_of(kind)
    return str if kind is bytes else kind


@lru_cache(256)
def _shower(
    kind: type, encoding: Encoding, left_out: tuple[str, ...] = ()
) -> Callable[[Any], JsonObject]:
    """How values of an object type are shown; made once, since one runs for every event."""
    tag = members.tag_of(kind)
    head: JsonObject = {} if tag is None else {"type": tag}
    parts = [
        (member.name, _show_of(member.hint, encoding))
        for member in members.members_of(kind)
        if member.name not in left_out
    ]

    def show(value: Any) -> JsonObject:
        shown = dict(head)
        for name, show_part in parts:
            part = getattr(value, name)
            shown[name] = part if show_part is None or part is None else show_part(part)
        return shown

    return show


def _show_of(hint: Any, encoding: Encoding) -> Show | None:
    """How values of any type are shown; ``None``: as they are."""
    kind = members.bare(hint)
    if kind is bytes:
        return _BYTES[encoding]
    if kind is float:
        return lambda value: round(value, _DIGITS_OF_MS)
    if kind is OutputFile:
        return lambda file: _file_view(file, encoding)
    if members.is_object(kind):
        return _shower(kind, encoding)
    if (item := members.item_of(kind)) is not None:
        each = _show_of(item, encoding)
        return list if each is None else lambda values: [each(x) for x in values]
    if (value := members.value_of(kind)) is not None:
        part = _show_of(value, encoding)
        return dict if part is None else lambda m: {name: part(x) for name, x in m.items()}
    return None


def _file_view(file: OutputFile, encoding: Encoding) -> JsonObject:
    if encoding == "utf-8":
        try:
            return {"path": file.path, "content": file.content.decode("utf-8")}
        except UnicodeDecodeError:
            pass  # not text: base64 below, as for any client that asked for bytes
    return {"path": file.path, "content_base64": encode_base64(file.content)}
