"""What a cell says about itself, read with suspicion.

Owns the shape that control frames of a cell must have; refuses whatever has
another one: the cell is then taken for dead. A value that passes is still a
claim, never more than the size and kind it may have.
"""

import json
import signal
from dataclasses import dataclass
from typing import Literal, get_args

from vibecell.cell import frames
from vibecell.model.errors import InvalidRequest, SandboxFailure
from vibecell.model.execution import (
    MAX_PATH_BYTES,
    OmissionReason,
    OmittedFile,
    validate_path,
)

_MAX_SAID_CHARACTERS = 500
_MAX_EXIT_CODE = 255
_OMISSION_REASONS: dict[object, OmissionReason] = {x: x for x in get_args(OmissionReason)}
_MAX_COUNT = 2**53  # the largest whole number that every JSON reader keeps


@dataclass(frozen=True, slots=True)
class EndFacts:
    """What an EXIT frame tells; of code and signal exactly one is set."""

    exit_code: int | None
    signal: int | None
    stopped_by: Literal["memory", "cpu_time"] | None = None
    process_limit_hit: bool = False
    workspace_limit_hit: bool = False
    cpu_time_ms: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None


KILLED = EndFacts(exit_code=None, signal=int(signal.SIGKILL))


def control(payload: bytes) -> dict[str, object]:
    """A control payload.

    Raises:
        SandboxFailure: it is not one.
    """
    try:
        return frames.decode_control(payload)
    except frames.FrameError as error:
        raise SandboxFailure("read from the cell", str(error)) from error


def end_facts(payload: bytes) -> EndFacts:
    """The facts of an EXIT frame.

    Raises:
        SandboxFailure: it does not say how the process ended.
    """
    facts = control(payload)
    exit_code = _whole(facts.get("exit_code"), _MAX_EXIT_CODE)
    number = _whole(facts.get("signal"), signal.NSIG - 1)
    if (exit_code is None) == (number is None) or number == 0:
        raise SandboxFailure("read from the cell", "it does not say how its process ended")
    stopped_by = facts.get("stopped_by")
    return EndFacts(
        exit_code=exit_code,
        signal=number,
        stopped_by=stopped_by if stopped_by in ("memory", "cpu_time") else None,
        process_limit_hit=facts.get("process_limit_hit") is True,
        workspace_limit_hit=facts.get("workspace_limit_hit") is True,
        cpu_time_ms=_real(facts.get("cpu_time_ms")),
        memory_bytes=_whole(facts.get("memory_bytes"), _MAX_COUNT),
        processes=_whole(facts.get("processes"), _MAX_COUNT),
    )


def started_ns(payload: bytes, earliest_ns: int, latest_ns: int) -> int:
    """When a STARTED frame says that the program started; a claim that cannot be is not believed.

    Args:
        payload: of the frame.
        earliest_ns: when the program was sent, by the monotonic clock.
        latest_ns: when the frame was heard.

    Raises:
        SandboxFailure: it does not say when.
    """
    if len(payload) != frames.STARTED_AT.size:
        raise SandboxFailure("start the program", "the cell does not say when")
    claimed_ns: int = frames.STARTED_AT.unpack(payload)[0]
    return min(max(claimed_ns, earliest_ns), latest_ns)


def failure(payload: bytes) -> SandboxFailure:
    """The error that a FAILURE frame reports.

    Raises:
        SandboxFailure: it is not even a report.
    """
    report = control(payload)
    return SandboxFailure(printable(str(report.get("step")))[:200], said(str(report.get("detail"))))


def said(text: str | bytes) -> str:
    """What a zygote or an agent says of itself, for a log and for people."""
    return printable(text if isinstance(text, str) else text.decode("utf-8", "replace"))[
        :_MAX_SAID_CHARACTERS
    ]


def printable(text: str) -> str:
    """The same with an escape for every character that does not print."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def file_path(payload: bytes) -> str:
    """The path in a FILE frame, as a request may have it.

    Raises:
        SandboxFailure: it has none, or one that no request may have.
    """
    path = control(payload).get("path")
    if not isinstance(path, str):
        raise SandboxFailure("collect files", "a file has no name")
    try:
        return validate_path(path)
    except InvalidRequest as error:
        raise SandboxFailure("collect files", "a file has no usable name") from error


def omitted_file(payload: bytes) -> OmittedFile:
    """What a NOT_SENT frame says; its path as it is where a request may have it, else printable.

    Raises:
        SandboxFailure: it does not say what is not sent, or why.
    """
    facts = control(payload)
    path, said_reason = facts.get("path"), facts.get("reason")
    reason = _OMISSION_REASONS.get(said_reason) if isinstance(said_reason, str) else None
    if not isinstance(path, str) or reason is None:
        raise SandboxFailure("collect files", "it does not say what it leaves out")
    try:
        validate_path(path)
    except InvalidRequest:
        path = printable(path)[:MAX_PATH_BYTES]
    return OmittedFile(path, _whole(facts.get("size_bytes"), _MAX_COUNT), reason)


def omitted_count(payload: bytes) -> int:
    """How many files a COLLECTED frame says are not sent; 0 where it says nothing credible.

    Raises:
        SandboxFailure: it is not even a report.
    """
    return _whole(control(payload).get("omitted"), _MAX_COUNT) or 0


def taken(payload: bytes) -> int:
    """How many bytes of input a TAKEN frame says were passed on; 0 where it says nothing credible.

    Raises:
        SandboxFailure: it is not even a report.
    """
    return _whole(control(payload).get("bytes"), frames.INPUT_WINDOW_BYTES) or 0


def omitted(payload: bytes) -> tuple[int, int]:
    """How many displays an OMITTED frame says begin to be passed over (0 or 1), and bytes of them.

    Raises:
        SandboxFailure: it does not say so.
    """
    facts = control(payload)
    displays, size_bytes = _whole(facts.get("displays"), 1), _whole(facts.get("bytes"), _MAX_COUNT)
    if displays is None or size_bytes is None:
        raise SandboxFailure("read from the cell", "it does not say what it has passed over")
    return displays, size_bytes


def _whole(value: object, highest: int) -> int | None:
    """A whole number from 0 on; ``True`` is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= highest else None


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MAX_COUNT else None  # not-a-number is neither
