"""What a cell names and says: printable, bounded, and never a way out."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.bounds import MAX_PATH_CHARACTERS
from vibecell.sandbox.framed.cell_reports import failure, file_name, said


def named(path: object) -> bytes:
    return json.dumps({"path": path, "size_bytes": 0}).encode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plot.png", "plot.png"),
        ("a/b c.txt", "a/b c.txt"),
        ("grüße/日本.txt", "grüße/日本.txt"),
        ("line\nend", r"line\nend"),
        ("bell\x07\x1b[2J", r"bell\u0007\u001b[2J"),
        ("nul\0", r"nul\u0000"),
        ("rtl\u202etxt.exe", r"rtl\u202etxt.exe"),
        ("sep\u2028", r"sep\u2028"),
        ("bom\ufeff", r"bom\ufeff"),
        (os.fsdecode(b"raw\xff"), r"raw\udcff"),
        ("...", "..."),
        ("..hidden", "..hidden"),
    ],
)
def test_what_does_not_print_is_escaped(name: str, shown: str) -> None:
    assert file_name(named(name)) == shown


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "/etc/passwd", "a//b", "a/../../b", "./a", "a/"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(SandboxFailure):
        file_name(named(name))


@pytest.mark.parametrize("name", [None, 5, True, ["a"], {"a": 1}])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(SandboxFailure):
        file_name(named(name))


@pytest.mark.parametrize(("name", "shown"), [("\x1b[2J\n", r"\u001b[2J\n"), ("größer", "größer")])
def test_a_report_of_failure_is_printable_too(name: str, shown: str) -> None:
    report = json.dumps({"step": name, "detail": name * 1000}).encode()
    told = failure(report)
    assert told.step == shown
    assert str(told).isprintable() and len(str(told)) < 1000
    assert said(name.encode()) == shown
    assert said(b"\xff\x00") == "\ufffd\\u0000"


def test_a_name_is_bounded() -> None:
    assert len(file_name(named("\0" * 5000))) == MAX_PATH_CHARACTERS


@given(name=st.text(st.characters(), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_every_name_comes_out_printable_or_not_at_all(name: str) -> None:
    try:
        shown = file_name(named(name))
    except SandboxFailure:
        return
    assert shown.isprintable()
    assert shown.encode("utf-8")
    assert not shown.startswith("/")
    assert ".." not in shown.split("/")
