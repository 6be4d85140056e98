"""The public form of what clients send: a request, a control.

Owns the strict models that validate and document them, and their translation
into the model; refuses unknown fields by name, and values above the
deployment's ceiling. Paths, counts and limits are judged by the model's own
constructors, so that there is one judge.
"""

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.events import Cancel, Control, EndOfInput, Resize, Signal, SignalName, Stdin
from vibecell.model.execution import (
    MAX_ARGS,
    MAX_ENV,
    MAX_FILES,
    MAX_PATH_BYTES,
    Encoding,
    ExecutionRequest,
    OnDisconnect,
    SourceFile,
)
from vibecell.model.language import Language, Offer
from vibecell.model.limits import Limits
from vibecell.wire.fields import Base64Bytes, StrictModel, problems_of

MAX_TEXT_CHARACTERS = 2 * 1024 * 1024
MAX_STDIN_CONTROL_CHARACTERS = 256 * 1024
MAX_LIMIT = 2**53 - 1

_Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
_Quantity = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class FileBody(StrictModel):
    """A file for the workspace, as text or as base64."""

    path: Annotated[str, Field(max_length=MAX_PATH_BYTES, examples=["data/input.csv"])]
    content: _Text | None = None
    content_base64: Base64Bytes | None = Field(
        default=None, json_schema_extra={"contentEncoding": "base64"}
    )

    @model_validator(mode="after")
    def _one_content(self) -> "FileBody":
        if (self.content is None) == (self.content_base64 is None):
            raise ValueError("must have exactly one of content and content_base64")
        return self


class LimitsBody(StrictModel):
    """Bounds to set for this execution; absent ones keep the default."""

    wall_time_ms: _Quantity | None = None
    cpu_time_ms: _Quantity | None = None
    memory_bytes: _Quantity | None = None
    processes: _Quantity | None = None
    open_files: _Quantity | None = None
    workspace_bytes: _Quantity | None = None
    output_bytes: _Quantity | None = None


class ExecuteBody(StrictModel):
    """What to run, and how."""

    code: _Text | None = Field(default=None, examples=["print(6 * 7)"])
    files: Annotated[list[FileBody], Field(max_length=MAX_FILES)] | None = None
    language: Annotated[str, Field(min_length=1, max_length=64)] = "python"
    version: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    entrypoint: Annotated[str, Field(max_length=MAX_PATH_BYTES)] | None = None
    args: Annotated[list[_Text], Field(max_length=MAX_ARGS)] = Field(default_factory=list)
    stdin: _Text | None = None
    stdin_base64: Base64Bytes | None = Field(
        default=None, json_schema_extra={"contentEncoding": "base64"}
    )
    env: Annotated[dict[str, _Text], Field(max_length=MAX_ENV)] = Field(default_factory=dict)
    limits: LimitsBody | None = None
    interactive: bool = False
    expected_output: _Text | None = None
    encoding: Encoding = "utf-8"
    on_disconnect: OnDisconnect = "cancel"
    request_class: Annotated[str, Field(min_length=1, max_length=32)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "ExecuteBody":
        if self.code is None and self.files is None:
            raise ValueError("must have code, files or both")
        if self.stdin is not None and self.stdin_base64 is not None:
            raise ValueError("must have at most one of stdin and stdin_base64")
        return self


class StdinControl(StrictModel):
    """Input for the program."""

    type: Literal["stdin"]
    data: Annotated[str, Field(max_length=MAX_STDIN_CONTROL_CHARACTERS)] | None = None
    data_base64: Base64Bytes | None = Field(
        default=None, json_schema_extra={"contentEncoding": "base64"}
    )

    @model_validator(mode="after")
    def _one_data(self) -> "StdinControl":
        if (self.data is None) == (self.data_base64 is None):
            raise ValueError("must have exactly one of data and data_base64")
        return self


class EndOfInputControl(StrictModel):
    """No more input."""

    type: Literal["end_of_input"]


class ResizeControl(StrictModel):
    """The client's terminal has a new size."""

    type: Literal["resize"]
    columns: Annotated[int, Field(ge=1, le=1000)]
    rows: Annotated[int, Field(ge=1, le=1000)]


class SignalControl(StrictModel):
    """A signal for the program's foreground process group."""

    type: Literal["signal"]
    name: SignalName


class CancelControl(StrictModel):
    """Stop the execution for good."""

    type: Literal["cancel"]


ControlBody = Annotated[
    StdinControl | EndOfInputControl | ResizeControl | SignalControl | CancelControl,
    Field(discriminator="type"),
]
_CONTROL: TypeAdapter[
    StdinControl | EndOfInputControl | ResizeControl | SignalControl | CancelControl
] = TypeAdapter(ControlBody)


def decode_execute(value: object) -> ExecuteBody:
    """A parsed JSON value as a request body.

    Raises:
        InvalidRequest: names each wrong field.
    """
    try:
        return ExecuteBody.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest(*problems_of(error)) from error


def to_execution_request(
    body: ExecuteBody, offer: Offer, defaults: Limits, ceiling: Limits
) -> ExecutionRequest:
    """The request that a body means.

    Args:
        body: a validated body.
        offer: what can be run; the language tells which file ``code`` becomes.
        defaults: limits of a request that sets none.
        ceiling: limits that no request may exceed.

    Raises:
        InvalidRequest: names each wrong field; an unknown class is one.
        UnsupportedLanguage: the request's class does not offer it.
    """
    language = offer.find(body.request_class, body.language, body.version)
    limits = _limits(body.limits, defaults)
    limits.require_within(ceiling)
    entrypoint = body.entrypoint
    files = tuple(_file(f, i) for i, f in enumerate(body.files or ()))
    if body.code is not None:
        # the program itself, beside the files it may use
        path = entrypoint or language.entrypoint
        files = (_source_file(path, _utf8(body.code, "code"), "entrypoint"), *files)
    elif entrypoint is None and language.entrypoint not in {f.path for f in files}:
        raise InvalidRequest(_missing_entrypoint(language, files))
    return ExecutionRequest(
        language=language.name,
        version=body.version,
        files=files,
        entrypoint=entrypoint,
        args=tuple(_encodable(a, f"args.{i}") for i, a in enumerate(body.args)),
        stdin=body.stdin_base64 or _utf8(body.stdin or "", "stdin"),
        env=MappingProxyType({k: _encodable(v, f"env.{k[:64]}") for k, v in body.env.items()}),
        limits=limits,
        interactive=body.interactive,
        expected_output=_optional(body.expected_output, "expected_output"),
        encoding=body.encoding,
        on_disconnect=body.on_disconnect,
        request_class=body.request_class,
    )


def decode_control(value: object) -> Control:
    """A parsed JSON value as a control.

    Raises:
        InvalidRequest: not a control, or names each wrong field.
    """
    try:
        body = _CONTROL.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest(*problems_of(error)) from error
    match body:
        case StdinControl():
            if body.data_base64 is not None:
                return Stdin(body.data_base64)
            return Stdin(_utf8(body.data or "", "data"))
        case EndOfInputControl():
            return EndOfInput()
        case ResizeControl():
            return Resize(body.columns, body.rows)
        case SignalControl():
            return Signal(body.name)
        case CancelControl():
            return Cancel()


def _limits(body: LimitsBody | None, defaults: Limits) -> Limits:
    return defaults if body is None else defaults.overridden(**body.model_dump())


def _missing_entrypoint(language: Language, files: tuple[SourceFile, ...]) -> FieldProblem:
    if not files:
        return FieldProblem("files", "must have at least one file")
    return FieldProblem("entrypoint", f"is required where no file is named {language.entrypoint}")


def _file(body: FileBody, index: int) -> SourceFile:
    where = f"files.{index}"
    if body.content_base64 is not None:
        return _source_file(body.path, body.content_base64, f"{where}.path")
    return _source_file(body.path, _utf8(body.content or "", f"{where}.content"), f"{where}.path")


def _source_file(path: str, content: bytes, where: str) -> SourceFile:
    try:
        return SourceFile(path, content)
    except InvalidRequest as error:
        raise InvalidRequest(FieldProblem(where, error.problems[0].message)) from error


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequest(FieldProblem(where, "must not hold a lone surrogate")) from error


def _encodable(text: str, where: str) -> str:
    _utf8(text, where)
    return text


def _optional(text: str | None, where: str) -> str | None:
    return None if text is None else _encodable(text, where)
