"""A line of the log is whole, says what it is to say, and holds up nobody."""

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from select import PIPE_BUF
from typing import Any

import pytest

from vibecell.cli.log_lines import Lines, LogLines
from vibecell.config import LogFormat
from vibecell.model.log_event import LogEvent, record


class Baked(LogEvent, tag="baked", frozen=True, kw_only=True):
    """A made-up event.

    Attributes:
        who: baked it.
        eggs: in it.
    """

    who: str
    eggs: int | None = None


class Log:
    """A log of a process of its own, and the other end of where it goes."""

    def __init__(self, form: LogFormat) -> None:
        self.reading, self.writing = os.pipe()
        self.log = logging.Logger("vibecell.made_up")
        self.log.addHandler(LogLines("kitchen", form, Lines(self.writing)))

    def said(self) -> bytes:
        """What a reader finds now."""
        os.set_blocking(self.reading, False)
        with contextlib.suppress(BlockingIOError):
            return os.read(self.reading, 10_000_000)
        return b""

    def told(self) -> dict[str, Any]:
        """The one line that was written, as JSON."""
        (line,) = self.said().splitlines()
        shown: dict[str, Any] = json.loads(line)
        return shown

    def fill(self) -> None:
        """Leave no room in the pipe."""
        os.set_blocking(self.writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(self.writing, b"x" * 4096):
                pass
        os.set_blocking(self.writing, True)


@pytest.fixture
def json_log() -> Iterator[Log]:
    yield from _made("json")


@pytest.fixture
def text_log() -> Iterator[Log]:
    yield from _made("text")


def _made(form: LogFormat) -> Iterator[Log]:
    made = Log(form)
    try:
        yield made
    finally:
        for descriptor in (made.reading, made.writing):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def test_a_message_is_one_object(json_log: Log) -> None:
    json_log.log.warning("%d eggs", 3)
    told = json_log.told()
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "process": "kitchen",
        "event": "message",
        "logger": "vibecell.made_up",
        "message": "3 eggs",
    }


def test_the_time_is_utc_to_the_millisecond(json_log: Log, text_log: Log) -> None:
    at = {"created": 1_700_000_000.0789, "levelname": "INFO", "levelno": 20, "msg": "x"}
    for log in (json_log, text_log):
        log.log.handle(logging.makeLogRecord(at))
    assert json_log.told()["time"] == "2023-11-14T22:13:20.078Z"
    assert text_log.said() == b"2023-11-14T22:13:20.078Z INFO    kitchen: x\n"


def test_an_event_has_fields_and_those_not_known_are_left_out(json_log: Log) -> None:
    record(json_log.log, logging.INFO, Baked(who="ann"))
    assert {**json_log.told(), "time": ""} == {
        "time": "",
        "level": "info",
        "process": "kitchen",
        "event": "baked",
        "who": "ann",
    }


def test_an_event_as_text(text_log: Log) -> None:
    record(text_log.log, logging.INFO, Baked(who='ann "x=1" b', eggs=2))
    said = text_log.said().decode()
    assert said.endswith('kitchen: baked who="ann \\"x=1\\" b" eggs=2\n')


FORGED = '\nann\r\n{"event":"forged"}\x1b[2J\x85\u2028\x9b31m\x7f" \ud800 süß 🍰'


def test_nothing_that_others_wrote_is_a_line_of_its_own_or_obeyed(json_log: Log) -> None:
    record(json_log.log, logging.INFO, Baked(who=FORGED))
    said = json_log.said()
    assert said.isascii() and said.count(b"\n") == 1 and said.endswith(b"\n")
    assert not set(said[:-1]) & {*range(32), 127}
    assert json.loads(said)["who"] == FORGED


def test_nothing_that_others_wrote_looks_like_a_line_for_people(text_log: Log) -> None:
    record(text_log.log, logging.INFO, Baked(who=FORGED))
    text_log.log.error("%s", FORGED)
    lines = text_log.said().decode().split("\n")
    assert sum(not line.startswith("    ") for line in lines[:-1]) == 2
    assert not set("".join(lines)) & {*map(chr, range(32)), *map(chr, range(127, 160))}


def test_an_error_is_told_with_its_trace(json_log: Log, text_log: Log) -> None:
    for log in (json_log, text_log):
        try:
            raise ValueError("no eggs")
        except ValueError:
            log.log.exception("nothing was baked")
    told = json_log.told()
    assert (told["level"], told["message"]) == ("error", "nothing was baked")
    assert told["trace"].startswith("Traceback") and told["trace"].endswith("ValueError: no eggs")
    assert text_log.said().endswith(b"\n    ValueError: no eggs\n")


def test_a_message_that_cannot_be_made_is_said_to_be_so(json_log: Log) -> None:
    json_log.log.warning("%d eggs", "three")
    assert json_log.told()["message"].startswith("a message could not be made: TypeError")


@pytest.mark.parametrize("text", ["x", "\n", "é", "🍰", '"', "\ud800"], ids=ascii)
@pytest.mark.parametrize("length", [PIPE_BUF - 300, 5000, 1_000_000])
def test_a_long_line_is_cut_and_says_so(
    json_log: Log, text_log: Log, text: str, length: int
) -> None:
    for log in (json_log, text_log):
        log.log.warning("%s", text * length)
    said = json_log.said()
    told = json.loads(said)
    assert len(said) <= PIPE_BUF
    assert told["message"] == text * length or (
        told["cut"] is True and told["message"].endswith("(cut)") and len(said) > PIPE_BUF // 2
    )
    shown = text_log.said()
    assert len(shown) <= PIPE_BUF and shown.endswith(b"\n")
    assert length <= PIPE_BUF or shown.decode().endswith("(cut)\n")


def test_of_a_long_trace_its_end_is_kept(json_log: Log) -> None:
    try:
        raise ValueError("x" * 10_000 + "the reason")
    except ValueError:
        json_log.log.exception("it failed")
    told = json_log.told()
    assert told["message"] == "it failed" and told["trace"].endswith("the reason")


def test_what_is_lost_is_counted_and_told_to_the_next_reader(json_log: Log) -> None:
    json_log.fill()
    for number in range(7):
        json_log.log.warning("%d", number)
    json_log.said()
    json_log.log.warning("again")
    told = [json.loads(line) for line in json_log.said().splitlines()]
    assert [(x["event"], x.get("lines"), x.get("message")) for x in told] == [
        ("lines_lost", 7, None),
        ("message", None, "again"),
    ]
    json_log.log.warning("and again")
    assert json_log.told()["message"] == "and again"


def test_a_reader_who_has_left_is_no_failure(json_log: Log) -> None:
    os.close(json_log.reading)
    json_log.log.warning("nobody reads this")


def test_a_log_that_is_a_file_is_written_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("before\n")
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    try:
        log = logging.Logger("vibecell.made_up")
        log.addHandler(LogLines("kitchen", "text", Lines(descriptor)))
        log.warning("after")
    finally:
        os.close(descriptor)
    before, after = file.read_text().splitlines()
    assert before == "before" and after.endswith("kitchen: after")


def test_writers_of_one_pipe_wait_for_nobody() -> None:
    """Several look for room at once, and there is room for one."""
    program = (
        "import logging, sys\n"
        "from vibecell.cli.log_lines import log_to\n"
        "log_to('kitchen', 'json', 'info')\n"
        "log = logging.getLogger('vibecell.made_up')\n"
        "for number in range(3000):\n"
        "    log.info('%s', 'x' * 1000)\n"
    )
    reading, writing = os.pipe()
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", program], stderr=writing, env=environ)
        for _ in range(3)
    ]
    os.close(writing)
    try:
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
        data = b""
        while piece := os.read(reading, 65536):
            data += piece
    finally:
        os.close(reading)
        for writer in writers:
            writer.kill()
    told = [json.loads(line) for line in data.splitlines()]  # so each is whole
    assert {len(x["message"]) for x in told if x["event"] == "message"} == {1000}
    assert {x["event"] for x in told} <= {"message", "lines_lost"}


@pytest.mark.parametrize(
    ("level", "told"), [("debug", ["d", "i", "w"]), ("info", ["i", "w"]), ("error", [])]
)
def test_a_level_is_ours_and_libraries_only_warn(level: str, told: list[str]) -> None:
    program = (
        "import logging\n"
        "from vibecell.cli.log_lines import log_to\n"
        f"log_to('kitchen', 'json', {level!r})\n"
        "for name in ('vibecell.x', 'library'):\n"
        "    log = logging.getLogger(name)\n"
        "    log.debug('d'), log.info('i'), log.warning('w')\n"
    )
    lines = _run(program).stderr.splitlines()
    shown = [(line["logger"], line["message"]) for line in map(json.loads, lines)]
    warned = [("library", "w")] if "w" in told else []
    assert shown == [("vibecell.x", x) for x in told] + warned


def test_the_error_that_ends_a_process_is_a_line_too() -> None:
    program = (
        "import threading\n"
        "from vibecell.cli.log_lines import log_to\n"
        "log_to('kitchen', 'json', 'info')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start(), thread.join()\n"
        "raise ValueError('no eggs')\n"
    )
    done = _run(program)
    first, second = map(json.loads, done.stderr.splitlines())
    assert done.returncode == 1
    assert first["level"] == second["level"] == "critical"
    assert "ZeroDivisionError" in first["trace"] and second["trace"].endswith("no eggs")


def _run(program: str) -> subprocess.CompletedProcess[str]:
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
