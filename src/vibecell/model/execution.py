"""What is asked for, and what came of it.

Owns the request, the result and the values they are made of; refuses paths
and names that could mean something outside a workspace. Whatever passes
these constructors needs no second check behind them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.limits import DEFAULT_LIMITS, Limits
from vibecell.model.verdicts import Verdict

MAX_FILES = 256
MAX_PATH_COMPONENTS = 8
MAX_PATH_BYTES = 512
MAX_COMPONENT_BYTES = 255  # source: NAME_MAX, limits.h(0p)
MAX_ARGS = 256
MAX_ENV = 128
MAX_ARGS_AND_ENV_BYTES = 192 * 1024
_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

Encoding = Literal["utf-8", "base64"]
OnDisconnect = Literal["cancel", "continue"]
State = Literal["queued", "running", "finished"]
Measured = Annotated[float, Meta(ge=0, le=2**53)]  # neither infinite nor no number


def validate_path(path: str, where: str = "path") -> str:
    """Accept a workspace-relative path, the only place where one is judged.

    Components are ``[A-Za-z0-9_][A-Za-z0-9_.-]*``, so neither ``..``, a
    leading dot or dash, NUL, backslash nor an absolute path can occur.

    Raises:
        InvalidRequest: the path is empty, too long, too deep or has a
            component outside the allowed alphabet.
    """
    if not path or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise InvalidRequest(FieldProblem(where, f"must have 1 to {MAX_PATH_BYTES} bytes"))
    components = path.split("/")
    if len(components) > MAX_PATH_COMPONENTS:
        raise InvalidRequest(
            FieldProblem(where, f"must have at most {MAX_PATH_COMPONENTS} components")
        )
    if not all(_COMPONENT.match(c) for c in components):
        raise InvalidRequest(
            FieldProblem(where, "must be relative, of letters, digits, '_', '-' and '.' only")
        )
    if any(len(c) > MAX_COMPONENT_BYTES for c in components):
        raise InvalidRequest(
            FieldProblem(where, f"components must have at most {MAX_COMPONENT_BYTES} bytes")
        )
    return path


def _reject_nul(text: str, where: str) -> None:
    if "\0" in text:
        raise InvalidRequest(FieldProblem(where, "must not contain NUL"))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file put into the workspace before the program starts."""

    path: Annotated[str, Meta(max_length=MAX_PATH_BYTES, examples=["data/input.csv"])]
    content: bytes

    def __post_init__(self) -> None:
        validate_path(self.path)


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """Everything an execution needs to be repeatable.

    Attributes:
        language: a name or alias of the catalogue.
        version: a version of that language; ``None`` is the default one.
        files: at least one; paths unique, none the folder of another.
        entrypoint: path of the file to run; ``None`` is the language's default.
        args: arguments of the program, after its own name.
        stdin: bytes fed at once; followed by end of input unless interactive.
        env: additional environment variables.
        limits: bounds of each stage.
        interactive: run on a terminal and keep its input open.
        expected_output: compared with stdout; ``None`` is no comparison.
        encoding: how bytes of the program reach the client.
        request_class: which of the deployment's further kinds of wall; ``None``
            leaves it to the language.
        on_disconnect: what happens when its only live connection closes.

    Raises:
        InvalidRequest: names every field that breaks a rule above.
    """

    language: Annotated[str, Meta(min_length=1, max_length=64)]
    files: Annotated[tuple[SourceFile, ...], Meta(max_length=MAX_FILES)]
    version: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    entrypoint: Annotated[str, Meta(max_length=MAX_PATH_BYTES)] | None = None
    args: Annotated[tuple[str, ...], Meta(max_length=MAX_ARGS)] = ()
    stdin: bytes = b""
    env: Annotated[Mapping[str, str], Meta(max_length=MAX_ENV)] = field(
        default_factory=lambda: MappingProxyType({})
    )
    limits: Limits = DEFAULT_LIMITS
    interactive: bool = False
    expected_output: str | None = None
    encoding: Encoding = "utf-8"
    on_disconnect: OnDisconnect = "cancel"
    request_class: Annotated[str, Meta(min_length=1, max_length=32)] | None = None

    def __post_init__(self) -> None:
        self._check_files()
        if len(self.args) > MAX_ARGS:
            raise InvalidRequest(FieldProblem("args", f"must have at most {MAX_ARGS} entries"))
        for i, argument in enumerate(self.args):
            _reject_nul(argument, f"args.{i}")
        if len(self.env) > MAX_ENV:
            raise InvalidRequest(FieldProblem("env", f"must have at most {MAX_ENV} entries"))
        for name, value in self.env.items():
            if not _ENV_NAME.match(name):
                raise InvalidRequest(FieldProblem("env", "names must match [A-Za-z_][A-Za-z0-9_]*"))
            _reject_nul(value, f"env.{name[:64]}")
        # as it travels to the cell, where one message is bounded
        if len(json.dumps([self.args, dict(self.env)])) > MAX_ARGS_AND_ENV_BYTES:
            raise InvalidRequest(
                FieldProblem("args", f"and env must have at most {MAX_ARGS_AND_ENV_BYTES} bytes")
            )

    def _check_files(self) -> None:
        if not self.files:
            raise InvalidRequest(FieldProblem("files", "must have at least one file"))
        if len(self.files) > MAX_FILES:
            raise InvalidRequest(FieldProblem("files", f"must have at most {MAX_FILES} files"))
        paths = {f.path for f in self.files}
        if len(paths) != len(self.files):
            raise InvalidRequest(FieldProblem("files", "must not repeat a path"))
        for path in paths:
            parents = path.split("/")[:-1]
            for depth in range(1, len(parents) + 1):
                if "/".join(parents[:depth]) in paths:
                    raise InvalidRequest(
                        FieldProblem("files", "must not use a file as the folder of another")
                    )
        if self.entrypoint is not None and self.entrypoint not in paths:
            raise InvalidRequest(FieldProblem("entrypoint", "must be one of the files"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used; ``None`` where this host cannot measure it.

    Attributes:
        output_bytes: of stdout, stderr and displays, each display with 1 KiB besides.
    """

    wall_time_ms: Measured = 0.0
    cpu_time_ms: Measured | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    output_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one stage ended.

    Attributes:
        exit_code: the program's own; ``None`` when a signal ended it.
        signal: name of that signal ("SIGKILL"); ``None`` otherwise.
        message: what the platform has to say about it, for a person.
    """

    verdict: Verdict
    exit_code: int | None = None
    signal: str | None = None
    usage: Usage = Usage()
    message: str = ""


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A named stage and how it ended.

    An interpreted program has one, "run", and a page "render"; a compiled language's is
    compiled, then run, and has no "run" where "compile" failed.
    """

    stage: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file the program left in its workspace, collected after its death.

    Attributes:
        path: as listed in the workspace, escaped to printable UTF-8.
    """

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class KeptDisplay:
    """What a program displayed, as a result tells it.

    Attributes:
        seq: number of the event that has it.
        media_types: of its contents.
        size_bytes: of its contents together, as they are written.
        data: MIME type to content, as in the event; ``None`` in the event `finished`, beyond
            4 MiB of all displays of an answer, and where the client wants them described only.
    """

    seq: int
    media_types: tuple[str, ...]
    size_bytes: int
    data: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The whole of what came of an execution.

    Attributes:
        id: the execution's, 128 random bits or more.
        stdout, stderr: kept up to 2 MiB of both and the output limit, whatever the verdict.
        output: both, in order of arrival.
        truncated: whether output was cut at the limit, or a display left out.
        usage: summed over the stages (memory and processes: the highest).
        files: new or changed files, bounded in number and size.
        files_left_out: how many others were new or changed and did not fit these bounds.
        displays: what was displayed, in its order, as far as there is an event of it.
        displays_left_out: how many displays are not among the events: too large, too many,
            or none.
        warm: whether an interpreter that had been started ahead ran it; false for languages
            that have none.
        message: what the platform did to the program; empty if nothing.
    """

    id: str
    verdict: Verdict
    stages: tuple[StageOutcome, ...] = ()
    stdout: bytes = b""
    stderr: bytes = b""
    output: bytes = b""
    truncated: bool = False
    usage: Usage = Usage()
    files: tuple[OutputFile, ...] = ()
    files_left_out: int = 0
    displays: tuple[KeptDisplay, ...] = ()
    displays_left_out: int = 0
    warm: bool = False
    message: str = ""

    @property
    def last_outcome(self) -> Outcome | None:
        """The outcome of the stage reached last; ``None`` if none began."""
        return self.stages[-1].outcome if self.stages else None

    def with_displays_described(self) -> "Result":
        """The same, without the contents of what was displayed."""
        if not self.displays:
            return self
        described = tuple(replace(display, data=None) for display in self.displays)
        return replace(self, displays=described)
