"""What a cell names and says: bounded, never a way out, and to be sent again or printable."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import validate_path
from vibecell.sandbox.framed.cell_reports import failure, file_path, omitted_file, said


def named(path: object, **more: object) -> bytes:
    said = {"path": path, "size_bytes": 0, "reason": "no_room", **more}
    return json.dumps(said).encode()


ODD = [
    "plot.png",
    "a/b c.txt",
    "grüße/日本.txt",
    "line\nend",
    "\x1b[2J",
    "\u202etxt.exe",
    "...",
    "-rf",
]


@pytest.mark.parametrize("name", ODD)
def test_a_file_comes_back_under_its_own_name(name: str) -> None:
    assert file_path(named(name)) == name
    assert omitted_file(named(name)).path == name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "/", "/etc/passwd", "a//b", "a/../../b", "./a", "a/", "nul\0", "x" * 256,
        os.fsdecode(b"raw\xff"), "/".join("a" * 18), "/".join(["a" * 250] * 5),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_sent_again_is_refused(name: str) -> None:
    with pytest.raises(SandboxFailure):
        file_path(named(name))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (".", "."),
        (os.fsdecode(b"raw\xff"), r"raw\udcff"),
        ("nul\0", r"nul\u0000"),
        ("a//\x1b[2J\n", r"a//\u001b[2J\n"),
        ("/" * 5000, "/" * 1024),
        ("\0" * 5000, r"\u0000" * 170 + r"\u00"),
    ],
)
def test_what_cannot_be_sent_is_named_so_that_it_prints(name: str, shown: str) -> None:
    assert omitted_file(named(name)).path == shown


@pytest.mark.parametrize("name", [None, 5, True, ["a"], {"a": 1}])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(SandboxFailure):
        file_path(named(name))
    with pytest.raises(SandboxFailure):
        omitted_file(named(name))


@pytest.mark.parametrize("reason", ["", "because", None, 5, ["too_large"], {"a": 1}, True])
def test_what_is_no_reason_is_refused(reason: object) -> None:
    with pytest.raises(SandboxFailure):
        omitted_file(named("a", reason=reason))


@pytest.mark.parametrize(
    ("said", "read"),
    [(0, 0), (2**53, 2**53), (2**53 + 1, None), (-1, None), ("7", None), (1.5, None)],
)
def test_a_size_is_a_whole_number_or_none(said: object, read: int | None) -> None:
    assert omitted_file(named("a", size_bytes=said)).size_bytes == read


@pytest.mark.parametrize(("name", "shown"), [("\x1b[2J\n", r"\u001b[2J\n"), ("größer", "größer")])
def test_a_report_of_failure_is_printable_too(name: str, shown: str) -> None:
    report = json.dumps({"step": name, "detail": name * 1000}).encode()
    told = failure(report)
    assert told.step == shown
    assert str(told).isprintable() and len(str(told)) < 1000
    assert said(name.encode()) == shown
    assert said(b"\xff\x00") == "\ufffd\\u0000"


@given(name=st.text(st.characters(), min_size=1, max_size=40))
@settings(max_examples=200)
def test_every_name_comes_back_as_it_can_be_sent_or_printable(name: str) -> None:
    told = omitted_file(named(name)).path
    assert told.encode("utf-8")
    try:
        assert file_path(named(name)) == name == told == validate_path(name)
    except SandboxFailure:
        assert told.isprintable()
