"""What no request may say, judged where the model is made."""

import os
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.model.errors import InvalidRequest
from vibecell.model.execution import (
    MAX_ARG_BYTES,
    MAX_ARGS_AND_ENV_BYTES,
    ExecutionRequest,
    SourceFile,
    validate_path,
)
from vibecell.model.limits import HIGHEST, Limits


def asked(*paths: str, **more: object) -> ExecutionRequest:
    return ExecutionRequest("python", tuple(SourceFile(p, b"") for p in paths), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "..", "../x", "a/..", "a/../b", ".", "./a", "a/./b", "a//b", "a/",
        "a\0", "a\0/b", "\0", "\ud800", "a/\udcff", "a" * 256, "a/" + "b" * 256, "ä" * 128,
        "/".join("a" * 18), "/".join(["a" * 250] * 5),
    ],
)  # fmt: skip
def test_a_path_stays_in_the_workspace(path: str) -> None:
    with pytest.raises(InvalidRequest):
        validate_path(path)
    with pytest.raises(InvalidRequest):
        SourceFile(path, b"")


@pytest.mark.parametrize(
    "path",
    [
        "Übersicht – März 2024.csv", "图.csv", "👩‍💻.py", "e\u0301.txt", " ", " a ", ".env",
        ".a/.b", "...", "..a", "a..", "-rf", "--", "+x", "@scope/pkg/index.js", "a\\b", "a\nb",
        "\r\n: x",
        "\x1b[31mred", "\x7f", "\u202egnp.exe", "\ufeff", "a:b", "C:", "*?", "~", "$HOME", "'\"`",
        "%2e%2e", "..%2f", "a/ /b", "nul", "a" * 255, "a" * 255 + "/" + "b" * 255, "ä" * 127,
        "/".join("a" * 17),
    ],
)  # fmt: skip
def test_a_file_has_whatever_name_it_has_on_a_disk(path: str) -> None:
    assert validate_path(path) == path


@given(path=st.text(st.characters(), max_size=40))
def test_what_a_path_may_be_is_what_stays_beneath_a_folder(path: str) -> None:
    try:
        validate_path(path)
    except InvalidRequest:
        return
    assert "\0" not in path and os.fsdecode(os.fsencode(path)) == path
    assert os.path.normpath(f"/w/{path}") == f"/w/{path}"


@pytest.mark.parametrize(
    "paths",
    [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d"), ("x", "a/b/c", "a/b")],
)
def test_files_do_not_stand_in_each_others_place(paths: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        asked(*paths)


def test_files_beside_each_other_are_fine() -> None:
    assert len(asked("a", "ab/c", "ab/d", "a.b").files) == 4


def test_arguments_and_environment_together_fit_one_message() -> None:
    half = "x" * (MAX_ARGS_AND_ENV_BYTES // 2)
    asked("a", args=(half[:-20],), env={"A": half[:-20]})
    with pytest.raises(InvalidRequest):
        asked("a", args=(half,), env={"A": half})
    with pytest.raises(InvalidRequest):
        asked("a", args=("\x01" * (MAX_ARGS_AND_ENV_BYTES // 5),))


@pytest.mark.parametrize("first", ["x", "ä", "👩"])
def test_one_argument_is_no_longer_than_the_kernel_takes(first: str) -> None:
    longest = first + "x" * (MAX_ARG_BYTES - len(first.encode()))
    asked("a", args=(longest,))
    asked("a", env={"NAME": longest[:-5]})
    for wrong in ({"args": (longest + "x",)}, {"env": {"NAME": longest[:-4]}}):
        with pytest.raises(InvalidRequest, match="131071 bytes"):
            asked("a", **wrong)


@pytest.mark.parametrize("name", ["", "=", "A=B", "A\0", "\0", "A B", "1A", "Ä", "A\n"])
def test_a_variable_has_a_name_that_every_shell_takes(name: str) -> None:
    with pytest.raises(InvalidRequest, match="env"):
        asked("a", env={name: "x"})


@pytest.mark.parametrize("name", [member.name for member in fields(Limits)])
def test_every_limit_means_something_and_keeps_to_its_ceiling(name: str) -> None:
    least = 4 if name == "open_files" else 1
    for value in (least - 1, 0, -1, HIGHEST + 1):
        with pytest.raises(InvalidRequest, match=name):
            Limits(**{name: value})
    Limits(**{name: least})
    Limits(**{name: 7}).require_within(Limits(**{name: 7}))
    with pytest.raises(InvalidRequest, match=name):
        Limits(**{name: 8}).require_within(Limits(**{name: 7}))
