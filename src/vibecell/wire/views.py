"""The public form of what clients receive: events, results, states.

Owns the models that document these forms and the encoders that write them;
refuses to invent: every field is a field of the model. The encoders build
plain dictionaries, because one runs for every piece of output; a test holds
them to the models.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from vibecell.model.events import (
    Display,
    Exited,
    Finished,
    NumberedEvent,
    Queued,
    Started,
    Stream,
    StreamName,
)
from vibecell.model.execution import Encoding, Outcome, OutputFile, Result, State, Usage
from vibecell.model.language import Language, Offer
from vibecell.model.status import ExecutionState
from vibecell.model.verdicts import Verdict
from vibecell.wire.fields import StrictModel, encode_base64

JsonObject = dict[str, object]
ShowBytes = Callable[[bytes], str]


class UsageView(StrictModel):
    """What was used; null where this host cannot measure it."""

    wall_time_ms: float
    cpu_time_ms: float | None
    memory_bytes: int | None
    processes: int | None
    output_bytes: int


class OutcomeView(StrictModel):
    """How one stage ended."""

    verdict: Verdict
    exit_code: int | None
    signal: str | None
    usage: UsageView
    message: str


class StageView(StrictModel):
    """A named stage and how it ended."""

    stage: str
    outcome: OutcomeView


class FileView(StrictModel):
    """A file the program left: ``content`` where it is text, else base64."""

    path: str
    content: str | None = None
    content_base64: str | None = None


class ResultView(StrictModel):
    """The whole of what came of an execution."""

    id: str
    verdict: Verdict
    stages: list[StageView]
    stdout: str
    stderr: str
    output: str
    truncated: bool
    usage: UsageView
    files: list[FileView]
    message: str


class ExecuteReply(StrictModel):
    """Answer of ``POST /execute``."""

    success: bool
    output: str
    error: str
    id: str
    verdict: Verdict
    exit_code: int | None
    signal: str | None
    usage: UsageView
    truncated: bool
    files: list[FileView]


class QueuedView(StrictModel):
    """Waiting; position 0 is next in line."""

    seq: int
    type: Literal["queued"]
    position: int


class StartedView(StrictModel):
    """A stage began."""

    seq: int
    type: Literal["started"]
    stage: str


class StreamView(StrictModel):
    """A piece of output."""

    seq: int
    type: Literal["stream"]
    stage: str
    name: StreamName
    data: str


class DisplayView(StrictModel):
    """Something to look at: MIME type to content."""

    seq: int
    type: Literal["display"]
    data: dict[str, str]


class ExitedView(StrictModel):
    """A stage ended."""

    seq: int
    type: Literal["exited"]
    stage: str
    outcome: OutcomeView


class FinishedView(StrictModel):
    """The execution ended; nothing follows."""

    seq: int
    type: Literal["finished"]
    result: ResultView


EventView = QueuedView | StartedView | StreamView | DisplayView | ExitedView | FinishedView


class ExecutionView(StrictModel):
    """State of an execution, and its result once finished."""

    id: str
    state: State
    result: ResultView | None


class LanguageView(StrictModel):
    """A language that can be run."""

    name: str
    display_name: str
    version: str
    aliases: list[str]
    entrypoint: str
    mode: Literal["in_place", "warm_exec", "exec", "page"]
    example: str


class OfferView(StrictModel):
    """What can be run."""

    languages: list[LanguageView] = Field(description="Of a request that names no class.")
    classes: dict[str, list[LanguageView]] = Field(
        description="Of one that does, by its `request_class`."
    )


def as_text(data: bytes) -> str:
    """UTF-8 as text; what cannot be decoded becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def shower(encoding: Encoding) -> ShowBytes:
    """How bytes are shown to a client that asked for ``encoding``."""
    return encode_base64 if encoding == "base64" else as_text


def encode_event(numbered: NumberedEvent, encoding: Encoding = "utf-8") -> JsonObject:
    """An event as the public protocol shows it."""
    return event_object(numbered, shower(encoding), lambda f: _file_view(f, encoding))


def encode_result(result: Result, encoding: Encoding = "utf-8") -> JsonObject:
    """A result as the public protocol shows it."""
    return result_object(result, shower(encoding), lambda f: _file_view(f, encoding))


def encode_execute_reply(result: Result, encoding: Encoding = "utf-8") -> JsonObject:
    """A result in the form of ``POST /execute``.

    ``error`` is the program's stderr followed by what the platform did to it.
    """
    show = shower(encoding)
    said = result.stderr
    if result.message:
        gap = b"\n" if said and not said.endswith(b"\n") else b""
        said = said + gap + result.message.encode()
    last = result.last_outcome
    return {
        "success": result.verdict is Verdict.ACCEPTED,
        "output": show(result.stdout),
        "error": show(said),
        "id": result.id,
        "verdict": result.verdict.value,
        "exit_code": last.exit_code if last else None,
        "signal": last.signal if last else None,
        "usage": usage_object(result.usage),
        "truncated": result.truncated,
        "files": [_file_view(f, encoding) for f in result.files],
    }


def encode_execution(execution: ExecutionState, encoding: Encoding = "utf-8") -> JsonObject:
    """State and result of an execution as the public protocol shows them."""
    standing, result = execution.standing, execution.result
    shown = encode_result(result, encoding) if result is not None else None
    return {"id": standing.id, "state": standing.state, "result": shown}


def encode_offer(offer: Offer) -> JsonObject:
    """What a client may know of the languages, for requests of every class."""
    return {
        "languages": [_language_view(x) for x in offer.languages],
        "classes": {
            name: [_language_view(x) for x in known] for name, known in offer.classes.items()
        },
    }


def _language_view(language: Language) -> JsonObject:
    return {
        "name": language.name,
        "display_name": language.display_name,
        "version": language.version,
        "aliases": list(language.aliases),
        "entrypoint": language.entrypoint,
        "mode": language.mode,
        "example": language.example,
    }


def event_object(
    numbered: NumberedEvent, show: ShowBytes, show_file: Callable[[OutputFile], JsonObject]
) -> JsonObject:
    """An event as an object, bytes shown by ``show``; both forms are made here."""
    seq, event = numbered.seq, numbered.event
    match event:
        case Stream(stage, name, data):
            return {
                "seq": seq,
                "type": "stream",
                "stage": stage,
                "name": name,
                "data": show(data),
            }
        case Queued(position):
            return {"seq": seq, "type": "queued", "position": position}
        case Started(stage):
            return {"seq": seq, "type": "started", "stage": stage}
        case Display(content):
            return {"seq": seq, "type": "display", "data": dict(content)}
        case Exited(stage, outcome):
            shown = outcome_object(outcome)
            return {"seq": seq, "type": "exited", "stage": stage, "outcome": shown}
        case Finished(result):
            final = result_object(result, show, show_file)
            return {"seq": seq, "type": "finished", "result": final}


def result_object(
    result: Result, show: ShowBytes, show_file: Callable[[OutputFile], JsonObject]
) -> JsonObject:
    """A result as an object; both forms are made here."""
    return {
        "id": result.id,
        "verdict": result.verdict.value,
        "stages": [{"stage": s.stage, "outcome": outcome_object(s.outcome)} for s in result.stages],
        "stdout": show(result.stdout),
        "stderr": show(result.stderr),
        "output": show(result.output),
        "truncated": result.truncated,
        "usage": usage_object(result.usage),
        "files": [show_file(f) for f in result.files],
        "message": result.message,
    }


def outcome_object(outcome: Outcome) -> JsonObject:
    """An outcome as an object."""
    return {
        "verdict": outcome.verdict.value,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "usage": usage_object(outcome.usage),
        "message": outcome.message,
    }


def usage_object(usage: Usage) -> JsonObject:
    """A usage as an object; times to a thousandth of a millisecond."""
    cpu = usage.cpu_time_ms
    return {
        "wall_time_ms": round(usage.wall_time_ms, 3),
        "cpu_time_ms": None if cpu is None else round(cpu, 3),
        "memory_bytes": usage.memory_bytes,
        "processes": usage.processes,
        "output_bytes": usage.output_bytes,
    }


def _file_view(file: OutputFile, encoding: Encoding) -> JsonObject:
    if encoding == "utf-8":
        try:
            return {"path": file.path, "content": file.content.decode("utf-8")}
        except UnicodeDecodeError:
            pass  # not text: base64 below, as for any client that asked for bytes
    return {"path": file.path, "content_base64": encode_base64(file.content)}
