"""What an object is shown as: every form it has once, and its text where it has no other."""

import base64
import json
import struct
from pathlib import Path

import pytest

from vibecell.cell import vibecell_display
from vibecell.cell.vibecell_display import display


class Table:
    def _repr_html_(self) -> str:
        return "<table>"

    def __repr__(self) -> str:
        return "a table"


class Picture:
    def _repr_png_(self) -> bytes:
        return b"\x89PNG"

    def _repr_jpeg_(self) -> bytes:
        return b"jpeg"


class Bundle:
    def _repr_mimebundle_(self, include: object, exclude: object) -> object:
        data = {"application/json": {"a": 1}, "image/png": b"x", "text/html": None, "no type": "x"}
        return data, {"image/png": {"width": 1}}


class Broken:
    def _repr_html_(self) -> str:
        raise RuntimeError("not today")

    def _repr_markdown_(self) -> str:
        return "*b*"


class AnswersToAnything:
    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: "any"

    def __repr__(self) -> str:
        return "anything"


@pytest.fixture(autouse=True)
def fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "display"
    path.touch()
    monkeypatch.setattr(vibecell_display, "FIFO", str(path))
    return path


def published(fifo: Path) -> list[dict[str, str]]:
    data, found = fifo.read_bytes(), []
    while data:
        (length,) = struct.unpack_from("!I", data)
        found.append(json.loads(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


@pytest.mark.parametrize(
    ("shown", "forms"),
    [
        (Table(), {"text/html": "<table>", "text/plain": "a table"}),
        (Picture(), {"image/png": base64.b64encode(b"\x89PNG").decode()}),
        (Bundle(), {"application/json": '{"a": 1}', "image/png": "eA=="}),
        (Broken(), {"text/markdown": "*b*"}),
        ({"text/html": "<b>"}, {"text/html": "<b>"}),
    ],
)
def test_an_object_is_shown_in_its_forms(fifo: Path, shown: object, forms: dict[str, str]) -> None:
    display(shown)
    (found,) = published(fifo)
    found.pop("text/plain", None) if "text/plain" not in forms else None
    assert found == forms


@pytest.mark.parametrize(
    ("shown", "text"),
    [(5, "5"), ("x", "'x'"), ({"a": "b"}, "{'a': 'b'}"), ({}, "{}"), (Table, repr(Table)),
     (AnswersToAnything(), "anything")],
)  # fmt: skip
def test_what_has_no_form_but_its_text_is_printed(
    fifo: Path, capsys: pytest.CaptureFixture[str], shown: object, text: str
) -> None:
    display(shown, display_id=True)
    assert capsys.readouterr().out == f"{text}\n"
    assert published(fifo) == []


def test_without_anybody_to_show_it_to_the_text_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vibecell_display, "FIFO", "/nowhere/display")
    display(Table(), 1)
    assert capsys.readouterr().out == "a table\n1\n"
