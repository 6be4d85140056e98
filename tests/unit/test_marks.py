"""The moments of an execution: noted only where somebody asked for it."""

import asyncio
from pathlib import Path

import pytest

from owners import ME
from vibecell.config import ConfigError, Settings, load
from vibecell.engine.executions import Executions
from vibecell.engine.traces import MAX_TRACES, Traces
from vibecell.gateway.timing import read_server_timing, server_timing
from vibecell.languages.catalogue import catalogue, describe
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Offer
from vibecell.model.marks import SILENT, Marks
from vibecell.sandbox.fake.scripted_backend import FakeBackend


def test_the_last_moment_of_a_name_counts_or_the_first() -> None:
    marks = Marks()
    marks.note("start", 5)
    marks.note("start", 7)
    marks.note_first("start")
    assert marks.taken_ns == {"start": 7}


def test_silence_keeps_nothing() -> None:
    SILENT.note("start")
    SILENT.note_first("output")
    assert SILENT.taken_ns == {}


def test_nothing_is_kept_where_nobody_asked() -> None:
    traces = Traces(False)
    traces.sheet_of("a").note("running")
    assert traces.shown() == []
    assert traces.shown() == []


def test_the_oldest_traces_are_forgotten() -> None:
    traces = Traces(True)
    for number in range(MAX_TRACES + 5):
        traces.sheet_of(str(number)).note("call", number)
    shown = traces.shown()
    assert len(shown) == MAX_TRACES
    assert (shown[0].id, shown[0].marks) == ("5", {"call": 5})


def test_a_header_tells_what_was_noted() -> None:
    marks = Marks()
    for at, name in enumerate(("request", "body", "checked", "heard", "encoded")):
        marks.note(name, 15_758_157_554_123 + at * 1_234_567)  # type: ignore[arg-type]
    header = server_timing(marks)
    assert header is not None
    assert header.startswith('clock;desc="15758.157554123", body;dur=1.234567, checked;dur=')
    assert read_server_timing(header) == marks.taken_ns


def test_no_header_where_nothing_was_noted() -> None:
    assert server_timing(SILENT) is None


@pytest.mark.parametrize(
    "header",
    ["", "cache;dur=1.0", 'clock;desc="1.0"', 'clock;desc="1.000000000", other;dur=1.000000'],
)
def test_a_foreign_header_is_not_read(header: str) -> None:
    assert read_server_timing(header) is None


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False)])
def test_the_setting(text: str, value: bool) -> None:
    assert load({"VIBECELL_TRACE": text, "HOME": "/nowhere"}, Path("/dev/null")).trace is value


def test_the_setting_is_off_and_takes_no_maybe() -> None:
    assert Settings().trace is False
    with pytest.raises(ConfigError, match="trace: must be true or false"):
        load({"VIBECELL_TRACE": "auto", "HOME": "/nowhere"}, Path("/dev/null"))


async def _executed(trace: bool) -> Executions:
    descriptions = describe()
    versions = {d.needs.program: "1.0" for d in descriptions if d.needs.program}
    offer = Offer(catalogue(descriptions, versions).languages)
    backend = FakeBackend()
    await backend.open()
    executions = Executions(Settings(trace=trace), backend, offer)
    request = ExecutionRequest(language="python", files=(SourceFile("main.py", b"print(1)\n"),))
    kept, _ = executions.admit(request, ME, None)
    await kept.log.last_message()
    await executions.stop()
    await backend.close()
    return executions


def test_the_engine_notes_the_way_of_an_execution_in_order() -> None:
    (trace,) = asyncio.run(_executed(True)).traces.shown()
    marks = trace.marks
    expected = ["running", "cell", "exit", "collected", "result", "destroying", "destroyed"]
    assert [name for name in marks if name in expected] == expected
    times = [marks[name] for name in expected]
    assert times == sorted(times)


def test_the_engine_notes_nothing_by_default() -> None:
    executions = asyncio.run(_executed(False))
    assert executions.traces.shown() == []
    assert SILENT.taken_ns == {}
