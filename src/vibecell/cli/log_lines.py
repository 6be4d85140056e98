"""The log of each process of the service, a line at a time, for programs or for people.

Owns the two forms of a line, the standard library's logging in a process, and that a line
is whole: one write of at most ``PIPE_BUF`` bytes, cut where it is longer, and said to be. A line
that finds no reader, or no room, is lost and counted; the next one that finds room is
told after how many. Refuses to choose what is logged, and to pass on what could be taken for
another line: what others wrote is spelt out.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from select import PIPE_BUF
from types import TracebackType
from typing import Any

import msgspec

from vibecell.cli.complaints import STDERR, harmless, has_room, own_end
from vibecell.config import LogFormat, LogLevel
from vibecell.model.log_event import LogEvent

OURS = "vibecell"
_LOG = logging.getLogger(__name__)
_CUT = " … (cut)"
_FORMATTER = logging.Formatter()


class MessageLine(LogEvent, tag="message", frozen=True, kw_only=True):
    """Whatever else a process has to say.

    Attributes:
        logger: the module that says it.
        message: a sentence for people.
        trace: of an error that nobody expected.
    """

    logger: str
    message: str
    trace: str | None = None


class LinesLost(LogEvent, tag="lines_lost", frozen=True, kw_only=True):
    """Lines of this process found no reader or no room.

    Attributes:
        lines: how many since it was last told.
    """

    lines: int


class Lines:
    """Writes whole lines, and never waits.

    Args:
        descriptor: where to.

    Attributes:
        lost: lines since the last that found room.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = own_end(descriptor)
        self._looks_first = self._descriptor == descriptor
        self.lost = 0

    def write(self, line: bytes) -> bool:
        """Write it at once, whole, if there is room; tells whether there was."""
        try:
            if self._looks_first and not has_room(self._descriptor):
                return False
            return os.write(self._descriptor, line) == len(line)
        except OSError:  # whoever read it has left, or the disk or the pipe is full
            return False


class LogLines(logging.Handler):
    """What is logged, as lines of one process.

    Args:
        process: which one.
        form: of its lines.
        lines: where they go.
    """

    def __init__(self, process: str, form: LogFormat, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self._made: Callable[[logging.LogRecord], bytes] = (
            JsonForm(process).line if form == "json" else TextForm(process).line
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; one that cannot be put into words is said to be so."""
        try:
            line = self._made(record)
        except Exception as error:
            line = self._made(_made_up(record, f"a message could not be made: {error!r}"))
        lines = self._lines
        if lines.lost:
            told = _made_up(record, "", LinesLost(lines=lines.lost), logging.WARNING)
            if not lines.write(self._made(told)):
                lines.lost += 1
                return
            lines.lost = 0
        if not lines.write(line):
            lines.lost += 1


def _made_up(
    like: logging.LogRecord, message: str, event: LogEvent | None = None, level: int | None = None
) -> logging.LogRecord:
    made = {"name": like.name, "levelno": level or like.levelno, "msg": message, "event": event}
    made |= {"levelname": logging.getLevelName(level or like.levelno), "created": like.created}
    return logging.makeLogRecord(made)


class _Clock:
    """Moments as RFC 3339 has them, in UTC, to the millisecond; one second is spelt once."""

    def __init__(self) -> None:
        self._second, self._spelt = -1, ""

    def spelt(self, created_s: float) -> str:
        second, millisecond = divmod(int(created_s * 1000), 1000)
        if second != self._second:
            self._spelt = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._spelt}.{millisecond:03d}Z"


class JsonForm:
    """One JSON object, in ASCII: so no line and no terminal ends or obeys what it holds."""

    def __init__(self, process: str) -> None:
        self._clock = _Clock()
        self._encoder = msgspec.json.Encoder()
        self._process = process

    def line(self, record: logging.LogRecord) -> bytes:
        """A record, with its line's end."""
        at, level = self._clock.spelt(record.created), record.levelname.lower()
        head = f'{{"time":"{at}","level":"{level}","process":"{self._process}",'.encode()
        event = _event(record)
        line = head + self._encoded(event)[1:] + b"\n"
        if len(line) > PIPE_BUF:
            line = self._cut(head, msgspec.to_builtins(event))
        return line

    def _encoded(self, event: object) -> bytes:
        try:
            data = self._encoder.encode(event)
            if data.isascii():
                return data.replace(b"\x7f", b"\\u007f")
        except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can spell
            pass
        shown = {"event": _tag(event), **_known(event)} if isinstance(event, LogEvent) else event
        return json.dumps(shown, separators=(",", ":")).encode()

    def _cut(self, head: bytes, fields: dict[str, Any]) -> bytes:
        """As much of it as one write takes: the longest texts are the first to be cut."""
        for name, value in fields.items():
            if isinstance(value, str | list):
                fields[name] = _shortened(name, str(value), PIPE_BUF)
        fields["cut"] = True
        while len(line := head + self._encoded(fields)[1:] + b"\n") > PIPE_BUF:
            texts = {name: value for name, value in fields.items() if isinstance(value, str)}
            name = max(texts, key=lambda name: len(json.dumps(texts[name])))
            spare = -(-(len(line) - PIPE_BUF) // 12)  # as many bytes as a character has at most
            fields[name] = _shortened(name, texts[name], len(texts[name]) - spare)
        return line


def _shortened(name: str, text: str, most: int) -> str:
    """A text of so many characters: its beginning, of the trace of an error its end."""
    if len(text) <= most:
        return text
    kept = max(0, most - len(_CUT))
    return _CUT + text[len(text) - kept :] if name == "trace" else text[:kept] + _CUT


class TextForm:
    """For people: what follows a line of several is set in, so that it is no line of its own."""

    def __init__(self, process: str) -> None:
        self._clock = _Clock()
        self._process = process

    def line(self, record: logging.LogRecord) -> bytes:
        """A record, with its line's end."""
        event = _event(record)
        if isinstance(event, MessageLine):
            said = event.message if event.trace is None else f"{event.message}\n{event.trace}"
        else:
            said = " ".join((_tag(event), *(_pair(*pair) for pair in _known(event).items())))
        head = f"{self._clock.spelt(record.created)} {record.levelname:<7} {self._process}: "
        text = head + harmless(said).replace("\n", "\n    ")
        data = f"{text}\n".encode(errors="backslashreplace")
        if len(data) > PIPE_BUF:
            end = f"{_CUT}\n".encode()
            data = data[: PIPE_BUF - len(end)].decode(errors="ignore").encode() + end
        return data


def _event(record: logging.LogRecord) -> LogEvent:
    event = getattr(record, "event", None)
    if isinstance(event, LogEvent):
        return event
    trace = _FORMATTER.formatException(record.exc_info) if record.exc_info else None
    return MessageLine(logger=record.name, message=record.getMessage(), trace=trace)


def _tag(event: LogEvent) -> str:
    return str(type(event).__struct_config__.tag)


def _known(event: LogEvent) -> dict[str, Any]:
    return {name: v for name, v in msgspec.structs.asdict(event).items() if v is not None}


def _pair(name: str, value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=')
    return f"{name}={text if plain and text else json.dumps(text, ensure_ascii=False)}"


def log_to(
    process: str, form: LogFormat, level: LogLevel, descriptor: int = STDERR
) -> logging.Handler:
    """Have this process log, and say of itself what would end it.

    Of libraries only warnings are logged, whatever the level: what they tell who debugs them
    may hold what they were given.
    """
    handler = LogLines(process, form, Lines(descriptor))
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, least), force=True)
    logging.getLogger(OURS).setLevel(least)
    # looked up for each record, and in no line. Source: logging HOWTO, "Optimization"
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    sys.excepthook = _log_the_last
    threading.excepthook = lambda told: _log_failure(
        told.exc_type, told.exc_value, told.exc_traceback
    )
    return handler


def _log_the_last(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log_failure(kind, error, trace)


def _log_failure(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None:
        _LOG.critical("an error that nobody expected", exc_info=(kind, error, trace))
