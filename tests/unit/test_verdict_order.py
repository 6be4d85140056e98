"""Several facts at once: the one that explains the others gives the verdict its name."""

import signal

import pytest

from vibecell.engine.verdict import judge
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import Exit


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        # a program without memory cannot fork either, and its files are in memory, too
        (Exit(1, None, memory_limit_hit=True, process_limit_hit=True), "memory_limit_exceeded"),
        (Exit(1, None, memory_limit_hit=True, workspace_limit_hit=True), "memory_limit_exceeded"),
        (Exit(None, 24, memory_limit_hit=True), "memory_limit_exceeded"),
        # what the kernel ended it for comes before what it was refused
        (Exit(None, 24, process_limit_hit=True), "time_limit_exceeded"),
        (Exit(None, 24, workspace_limit_hit=True), "time_limit_exceeded"),
        (
            Exit(1, None, process_limit_hit=True, workspace_limit_hit=True),
            "process_limit_exceeded",
        ),
        # what the platform stopped it for comes before all that it met
        (Exit(None, 9, "output", memory_limit_hit=True), "output_limit_exceeded"),
        (Exit(None, 9, "wall_time", process_limit_hit=True), "time_limit_exceeded"),
        (Exit(0, None, "cancel", workspace_limit_hit=True), "cancelled"),
    ],
)
def test_one_of_several_facts_names_the_end(facts: Exit, verdict: str) -> None:
    assert facts.signal in (None, signal.SIGKILL, signal.SIGXCPU)
    assert judge(facts, Limits(), "run").verdict == verdict


def test_what_was_printed_long_ago_is_no_hint() -> None:
    complaint = b"ModuleNotFoundError: No module named 'torch'\n"
    assert "torch" in judge(Exit(1, None), Limits(), "run", complaint).message
    assert judge(Exit(1, None), Limits(), "run", complaint + b"." * 5000).message == ""
