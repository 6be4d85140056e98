"""What the reference must name: nothing that the code knows is left out of its pages."""

import dataclasses
import re
from pathlib import Path

import pytest

from cell_programs import cell_program
from vibecell.cli import log_lines, serve
from vibecell.engine import execution_log
from vibecell.gateway import request_log
from vibecell.model.events import Control, Event
from vibecell.model.execution import ExecutionRequest
from vibecell.model.limits import Limits
from vibecell.model.log_event import LogEvent
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.framed.cell_reports import EndFacts
from vibecell.wire.members import kinds_of, tag_of

#: Where lines of the log are made, so that all of their shapes are there.
LOGGING = (log_lines, serve, execution_log, request_log)
REFERENCE = Path(__file__).parents[2] / "docs/reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


@pytest.mark.parametrize("name", ["http-api.md", "protocol.md"])
def test_every_event_and_control_is_named(name: str) -> None:
    tags = [tag_of(kind) for kind in (*kinds_of(Event), *kinds_of(Control))]
    text = page(name)
    assert [tag for tag in tags if f"`{tag}`" not in text and f'"{tag}"' not in text] == []


def test_every_verdict_has_its_row() -> None:
    text = page("verdicts.md")
    assert [verdict for verdict in Verdict if f"\n| `{verdict}` |" not in text] == []


def test_every_request_field_and_limit_is_named() -> None:
    names = {f.name for kind in (ExecutionRequest, Limits) for f in dataclasses.fields(kind)}
    text = page("http-api.md")
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_what_cells_are_told_and_tell_is_named() -> None:
    start = {f.name for f in dataclasses.fields(cell_program("messages").Start)}
    end = {f.name for f in dataclasses.fields(EndFacts)}
    text = page("protocol.md")
    assert [name for name in sorted(start | end) if f"`{name}`" not in text] == []


def test_every_line_of_the_log_and_each_of_its_fields_has_its_row() -> None:
    made = {f"{kind.__module__}.{kind.__name__}": kind for kind in LogEvent.__subclasses__()}
    sources = {
        path: found
        for path in (Path(__file__).parents[2] / "src/vibecell").rglob("*.py")
        if (found := re.findall(r"class \w+\(\s*LogEvent, tag=\"(\w+)\"", path.read_text()))
    }
    ours = {kind.__struct_config__.tag: kind for name, kind in made.items() if "vibecell" in name}
    assert sorted(ours) == sorted(tag for tags in sources.values() for tag in tags)
    sections = dict(re.findall(r"^## `(\w+)`.*?\n(.*?)(?=^## |\Z)", page("logs.md"), re.M | re.S))
    told = {tag: set(re.findall(r"^\| `(\w+)` \|", text, re.M)) for tag, text in sections.items()}
    assert told == {tag: set(kind.__struct_fields__) for tag, kind in ours.items()}
