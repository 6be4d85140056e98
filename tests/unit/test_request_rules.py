"""What no request may say, judged where the model is made."""

from dataclasses import fields

import pytest

from vibecell.model.errors import InvalidRequest
from vibecell.model.execution import (
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
        "", "/", "/etc/passwd", "..", "../x", "a/..", "a/../b", ".", "./a", ".hidden", "a/.b",
        "a//b", "a/", "-rf", "a/-b", "a\\b", "a b", "a\0", "a\n", "a\nb", "a/b\n", "ä", "a" * 513,
        "/".join("a" * 9), "a" * 256, "a/" + "b" * 256,
    ],
)  # fmt: skip
def test_a_path_stays_in_the_workspace(path: str) -> None:
    with pytest.raises(InvalidRequest):
        validate_path(path)
    with pytest.raises(InvalidRequest):
        SourceFile(path, b"")


@pytest.mark.parametrize("path", ["a" * 255, "a" * 255 + "/" + "b" * 255])
def test_a_name_may_be_as_long_as_a_file_system_takes(path: str) -> None:
    assert validate_path(path) == path


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


@pytest.mark.parametrize("name", [member.name for member in fields(Limits)])
def test_every_limit_means_something_and_keeps_to_its_ceiling(name: str) -> None:
    for value in (0, -1, HIGHEST + 1):
        with pytest.raises(InvalidRequest, match=name):
            Limits(**{name: value})
    Limits(**{name: 7}).require_within(Limits(**{name: 7}))
    with pytest.raises(InvalidRequest, match=name):
        Limits(**{name: 8}).require_within(Limits(**{name: 7}))
