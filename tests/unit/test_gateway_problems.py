"""Every error of the model has its row, and none tells too much."""

from collections.abc import Iterator

import pytest
from werkzeug.exceptions import TooManyRequests

from vibecell.gateway.problems import TABLE, problem_of
from vibecell.model import errors


def leaves(kind: type[errors.VibecellError]) -> Iterator[type[errors.VibecellError]]:
    below = [k for k in kind.__subclasses__() if k.__module__ == errors.__name__]
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


@pytest.mark.parametrize("leaf", list(leaves(errors.VibecellError)))
def test_every_leaf_has_a_row(leaf: type[errors.VibecellError]) -> None:
    assert leaf in TABLE


def test_slugs_are_unique() -> None:
    assert len({row.slug for row in TABLE.values()}) == len(TABLE)


def test_fields_are_named() -> None:
    problem = problem_of(errors.InvalidRequest(errors.FieldProblem("files.0.path", "is wrong")))
    assert problem.status == 422
    assert problem.body["errors"] == [{"path": "files.0.path", "message": "is wrong"}]
    assert problem.close_code == 4422


def test_capacity_has_a_hint() -> None:
    problem = problem_of(errors.QueueFull("full", 7))
    assert (problem.status, problem.headers) == (503, (("Retry-After", "7"),))
    assert problem.body["retry_after_s"] == 7


@pytest.mark.parametrize(
    "error", [ValueError("secret"), errors.SandboxFailure("make a cell", "secret")]
)
def test_our_failures_tell_an_incident_only(error: Exception) -> None:
    problem = problem_of(error)
    assert problem.status == 500
    assert "secret" not in str(problem.body)
    assert str(problem.body["incident"]) in str(problem.body["detail"])


def test_http_errors() -> None:
    problem = problem_of(TooManyRequests("slower", retry_after=3))
    assert (problem.status, problem.body["detail"]) == (429, "slower")
    assert ("Retry-After", "3") in problem.headers
    assert problem.body["retry_after_s"] == 3


def test_who_is_not_to_come_again_is_told_no_time() -> None:
    for error in (errors.UnknownExecution("none"), errors.SandboxFailure("make a cell", "x")):
        assert "retry_after_s" not in problem_of(error).body
