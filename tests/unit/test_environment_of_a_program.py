"""Which variables a program finds: its language's, and over them those of the request."""

from types import MappingProxyType

import pytest

from vibecell.engine.plan import make_plan
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, StartMode, WarmProfile


@pytest.mark.parametrize("mode", ["in_place", "warm_exec", "exec"])
def test_what_a_request_sets_wins(mode: StartMode) -> None:
    language = Language(
        "x", "X", "1", (), "main", mode, ("x", "{entrypoint}"),
        env=MappingProxyType({"A": "language", "B": "language"}), profiles=(WarmProfile("x"),),
    )  # fmt: skip
    asked = ExecutionRequest("x", (SourceFile("main", b""),), env={"B": "request", "C": "request"})
    (stage,) = make_plan(asked, Offer((language,))).stages
    assert stage.spec.env == {"A": "language", "B": "request", "C": "request"}
