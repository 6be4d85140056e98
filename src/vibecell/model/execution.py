"""What is asked for, and what came of it.

Owns the request, the result and the values they are made of; refuses paths
and names that could mean something outside a workspace. Whatever passes
these constructors needs no second check behind them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from vibecell.model.caller import User
from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.limits import DEFAULT_LIMITS, Limits
from vibecell.model.verdicts import Verdict

MAX_FILES = 256
MAX_PATH_FOLDERS = 16  # above a file
MAX_PATH_BYTES = 1024
MAX_COMPONENT_BYTES = 255  # source: NAME_MAX, limits.h(0p)
MAX_ARGS = 256
MAX_ENV = 128
MAX_ARGS_AND_ENV_BYTES = 192 * 1024
# of one argument, or of a variable with its name and "="; source: execve(2), MAX_ARG_STRLEN
MAX_ARG_BYTES = 32 * 4096 - 1
_NO_COMPONENT = frozenset({"", ".", ".."})
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

Encoding = Literal["utf-8", "base64"]
OnDisconnect = Literal["cancel", "continue"]
State = Literal["queued", "running", "finished"]
# true: on a terminal; "pipe": without one
Interactive = bool | Literal["pipe"]
MAX_TERMINAL_CELLS = 1000
LEAST_USAGE_INTERVAL_MS = 100
UsageInterval = Annotated[int, Meta(ge=LEAST_USAGE_INTERVAL_MS, le=60_000)]
TerminalCells = Annotated[int, Meta(ge=1, le=MAX_TERMINAL_CELLS)]
Measured = Annotated[float, Meta(ge=0, le=2**53)]  # neither infinite nor no number


def validate_path(path: str, where: str = "path") -> str:
    """Accept a workspace-relative path, the only place where one is judged.

    Its components may be whatever a file system of Linux takes for a name, of UTF-8: blanks,
    backslashes, line ends and all. So it is never part of a line, a header, a URL or a
    command but in that one's own notation.

    Raises:
        InvalidRequest: the path is empty, absolute, too long or too deep, is no UTF-8, or
            has NUL or an empty component, ``.`` or ``..``.

    Source: path_resolution(7)
    """
    if "\0" in path:
        raise InvalidRequest(FieldProblem(where, "must not contain NUL"))
    try:
        data = path.encode()
    except UnicodeEncodeError as error:
        problem = FieldProblem(where, "must not hold a lone surrogate")
        raise InvalidRequest(problem) from error
    if not 0 < len(data) <= MAX_PATH_BYTES:
        raise InvalidRequest(FieldProblem(where, f"must have 1 to {MAX_PATH_BYTES} bytes"))
    components = path.split("/")
    if len(components) > MAX_PATH_FOLDERS + 1:
        problem = FieldProblem(where, f"must be below at most {MAX_PATH_FOLDERS} folders")
        raise InvalidRequest(problem)
    if not _NO_COMPONENT.isdisjoint(components):
        problem = FieldProblem(where, "must be relative, without empty parts, '.' and '..'")
        raise InvalidRequest(problem)
    if any(len(name) > MAX_COMPONENT_BYTES for name in data.split(b"/")):
        raise InvalidRequest(
            FieldProblem(where, f"parts must have at most {MAX_COMPONENT_BYTES} bytes")
        )
    return path


def check_together(paths: Iterable[str], where: str = "files") -> None:
    """Accept paths that can be those of files beside each other.

    Raises:
        InvalidRequest: one is there twice, or is the folder of another.
    """
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise InvalidRequest(FieldProblem(where, "must not repeat a path"))
        seen.add(path)
    for path in seen:
        at = path.find("/")
        while at >= 0:
            if path[:at] in seen:
                raise InvalidRequest(
                    FieldProblem(where, "must not use a file as the folder of another")
                )
            at = path.find("/", at + 1)


def _check_argument(text: str, where: str, besides_bytes: int = 0) -> None:
    """Refuse what execve takes for no argument or variable, whether or not it is asked."""
    if "\0" in text:
        raise InvalidRequest(FieldProblem(where, "must not contain NUL"))
    # no character has more than four bytes
    if len(text) * 4 + besides_bytes > MAX_ARG_BYTES:
        size_bytes = len(text.encode("utf-8", "surrogatepass")) + besides_bytes
        if size_bytes > MAX_ARG_BYTES:
            name = " with its name" if besides_bytes else ""
            problem = FieldProblem(where, f"must have at most {MAX_ARG_BYTES} bytes{name}")
            raise InvalidRequest(problem)


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
        interactive: keep its input open, true: on a terminal, "pipe": without one, for
            programs that talk to it.
        columns, rows: the terminal's size at the start, where it has one.
        expected_output: compared with stdout; ``None`` is no comparison.
        encoding: how bytes of the program reach the client.
        request_class: which of the deployment's further kinds of wall; ``None``
            leaves it to the language.
        on_disconnect: what happens when its only live connection closes.
        user: on behalf of which of the caller's users; its program is not told.
        priority: where it must wait, those of the same user with a higher one go first;
            it changes nothing between users.
        usage_interval_ms: how often events tell what it uses; ``None``: never.

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
    interactive: Interactive = False
    columns: TerminalCells = 80
    rows: TerminalCells = 24
    expected_output: str | None = None
    encoding: Encoding = "utf-8"
    on_disconnect: OnDisconnect = "cancel"
    request_class: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    user: User | None = None
    priority: Annotated[int, Meta(ge=-10, le=10)] = 0
    usage_interval_ms: UsageInterval | None = None

    def __post_init__(self) -> None:
        self._check_files()
        if len(self.args) > MAX_ARGS:
            raise InvalidRequest(FieldProblem("args", f"must have at most {MAX_ARGS} entries"))
        for i, argument in enumerate(self.args):
            _check_argument(argument, f"args.{i}")
        if len(self.env) > MAX_ENV:
            raise InvalidRequest(FieldProblem("env", f"must have at most {MAX_ENV} entries"))
        for name, value in self.env.items():
            if not _ENV_NAME.match(name):
                raise InvalidRequest(FieldProblem("env", "names must match [A-Za-z_][A-Za-z0-9_]*"))
            _check_argument(value, f"env.{name[:64]}", len(name) + 1)
        # as it travels to the cell, where one message is bounded
        if len(json.dumps([self.args, dict(self.env)])) > MAX_ARGS_AND_ENV_BYTES:
            raise InvalidRequest(
                FieldProblem(
                    "args", f"and env must have at most {MAX_ARGS_AND_ENV_BYTES} bytes of JSON"
                )
            )

    def _check_files(self) -> None:
        if not self.files:
            raise InvalidRequest(FieldProblem("files", "must have at least one file"))
        if len(self.files) > MAX_FILES:
            raise InvalidRequest(FieldProblem("files", f"must have at most {MAX_FILES} files"))
        check_together(f.path for f in self.files)
        if self.entrypoint is not None and all(f.path != self.entrypoint for f in self.files):
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
        path: as ``validate_path`` accepts it, so that it can be sent again.
    """

    path: str
    content: bytes


OmissionReason = Literal[
    "too_large",
    "no_room",
    "too_many",
    "too_deep",
    "not_regular",
    "hard_link",
    "unreadable",
    "unnameable",
    "lost",
]


@dataclass(frozen=True, slots=True)
class OmittedFile:
    """Something new or changed that a program left and that is not among the files.

    Attributes:
        path: in the workspace; where that is no legal path of a file, its printable form.
            A folder's where it was not, or not wholly, looked through; "." is the workspace.
        size_bytes: of a regular file; ``None`` of anything else.
        reason: ``too_large``: more than all files together may have; ``no_room``: more than the
            others left of that; ``too_many``: so many files are there, or a folder has so many
            names; ``too_deep``: a folder below too many others; ``not_regular``: a link, a pipe, a
            socket; ``hard_link``: a file with a second name; ``unreadable``: its mode forbids it;
            ``unnameable``: its path is too long, or not UTF-8;
            ``lost``: the workspace, whose cell did not answer any more.
    """

    path: str
    size_bytes: int | None
    reason: OmissionReason


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
        omitted: what else was new or changed, and why it is not among the files; the first 64.
        files_left_out: how many such there were, the ones in `omitted` included.
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
    omitted: tuple[OmittedFile, ...] = ()
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
