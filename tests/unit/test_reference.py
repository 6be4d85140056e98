"""What the reference must name: nothing that the code knows is left out of its pages."""

import dataclasses
from pathlib import Path

import pytest

from cell_programs import cell_program
from vibecell.model.events import Control, Event
from vibecell.model.execution import ExecutionRequest
from vibecell.model.limits import Limits
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.framed.cell_reports import EndFacts
from vibecell.wire.members import kinds_of, tag_of

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
