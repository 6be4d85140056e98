"""Judging: every combination of facts has one name and one sentence."""

import pytest

from vibecell.engine.verdict import judge, matches_expected, size_text, total_usage
from vibecell.model.execution import Outcome, StageOutcome, Usage
from vibecell.model.limits import MIB, Limits
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import Exit

LIMITS = Limits()


@pytest.mark.parametrize(
    ("facts", "verdict", "message"),
    [
        (Exit(0, None), "accepted", ""),
        (Exit(1, None), "runtime_error", ""),
        (Exit(None, 11), "runtime_error", "ended by signal SIGSEGV"),
        (Exit(None, 63), "runtime_error", "ended by signal SIG63"),
        (
            Exit(None, 9, "wall_time"),
            "time_limit_exceeded",
            "time limit exceeded: stopped after 10.0 s",
        ),
        (
            Exit(None, 9, "cpu_time"),
            "time_limit_exceeded",
            "time limit exceeded: stopped after 10.0 s of CPU time",
        ),
        (
            Exit(None, 24),
            "time_limit_exceeded",
            "time limit exceeded: stopped after 10.0 s of CPU time",
        ),
        (
            Exit(None, 9, "memory"),
            "memory_limit_exceeded",
            "memory limit exceeded: more than 512 MiB",
        ),
        (
            Exit(None, 9, memory_limit_hit=True),
            "memory_limit_exceeded",
            "memory limit exceeded: more than 512 MiB",
        ),
        (
            Exit(None, 9, "output", truncated=True),
            "output_limit_exceeded",
            "output limit exceeded: more than 1 MiB",
        ),
        (
            Exit(None, 9, "processes", process_limit_hit=True),
            "process_limit_exceeded",
            "process limit exceeded: more than 64 processes",
        ),
        (
            Exit(1, None, process_limit_hit=True),
            "process_limit_exceeded",
            "process limit exceeded: more than 64 processes",
        ),
        (
            Exit(1, None, workspace_limit_hit=True),
            "workspace_limit_exceeded",
            "workspace limit exceeded: more than 64 MiB",
        ),
        (
            Exit(None, 25),
            "workspace_limit_exceeded",
            "workspace limit exceeded: more than 64 MiB",
        ),
        (Exit(0, None, process_limit_hit=True), "accepted", ""),
        (Exit(0, None, workspace_limit_hit=True), "accepted", ""),
        (Exit(0, None, memory_limit_hit=True), "accepted", ""),
        (Exit(None, 9, "cancel"), "cancelled", "cancelled"),
        (Exit(None, 9, "cancel", memory_limit_hit=True), "cancelled", "cancelled"),
    ],
)
def test_facts_have_one_name(facts: Exit, verdict: str, message: str) -> None:
    outcome = judge(facts, LIMITS, "run")
    assert (outcome.verdict.value, outcome.message) == (verdict, message)


def test_a_failed_compilation_has_its_own_name() -> None:
    assert judge(Exit(1, None), LIMITS, "compile").verdict is Verdict.COMPILATION_ERROR
    late = judge(Exit(None, 9, "wall_time"), LIMITS, "compile")
    assert late.verdict is Verdict.TIME_LIMIT_EXCEEDED


def test_short_limits_are_told_exactly() -> None:
    limits = Limits(wall_time_ms=250)
    assert judge(Exit(None, 9, "wall_time"), limits, "run").message.endswith("after 0.25 s")


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (
            b"Traceback ...\nModuleNotFoundError: No module named 'torch'\n",
            "the package 'torch' is not installed",
        ),
        (
            b"Error: Cannot find module 'left-pad'\nRequire",
            "the package 'left-pad' is not installed",
        ),
        (b"Cannot find package '@a/b' imported from", "the package '@a/b' is not installed"),
        (b"Error: Cannot find module './x'", ""),
        (b"main.sh: line 1: cowsay: command not found\n", "the command 'cowsay' is not installed"),
        (b"/bin/sh: 1: cowsay: not found\n", "the command 'cowsay' is not installed"),
        (
            "env: ‘cowsay’: No such file or directory\n".encode(),
            "the command 'cowsay' is not installed",
        ),
        (b"xargs: cowsay: No such file or directory\n", "the command 'cowsay' is not installed"),
        (
            b"nohup: failed to run command 'cowsay': No such file or directory\n",
            "the command 'cowsay' is not installed",
        ),
        (
            b'  File "subprocess.py", line 1950, in _execute_child\n    raise child(err)\n'
            b"FileNotFoundError: [Errno 2] No such file or directory: 'cowsay'\n",
            "the command 'cowsay' is not installed",
        ),
        (b"\nError: spawn cowsay ENOENT\n    at", "the command 'cowsay' is not installed"),
        (b"<ref *1> Error: spawnSync cowsay ENOENT\n", "the command 'cowsay' is not installed"),
        (b"FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'\n", ""),
        (b"cat: data.csv: No such file or directory\n", ""),
        (b"x No module named 'torch'", ""),
        (b"ModuleNotFoundError: No module named '" + b"x" * 500 + b"'", ""),
        (b"ModuleNotFoundError: No module named '\x1b[31m'", ""),
        (b"", ""),
    ],
)
def test_what_is_missing_is_named(tail: bytes, message: str) -> None:
    assert judge(Exit(1, None), LIMITS, "run", tail).message == message


def test_a_hint_never_changes_a_verdict() -> None:
    tail = b"ModuleNotFoundError: No module named 'x'\n"
    assert judge(Exit(0, None), LIMITS, "run", tail).message == ""
    assert judge(Exit(1, None), LIMITS, "run", tail).verdict is Verdict.RUNTIME_ERROR


@pytest.mark.parametrize(
    ("stdout", "expected", "same"),
    [
        (b"1\n2\n", "1\n2", True),
        (b"1  \r\n2\n\n\n", "1\n2\n", True),
        (b" 1", "1", False),
        (b"1\n\n2", "1\n2", False),
        (b"", "", True),
        (b"1", "", False),
        (b"\xff", "�", True),
    ],
)
def test_expected_output(stdout: bytes, expected: str, same: bool) -> None:
    assert matches_expected(stdout, expected) is same


def test_usage_of_stages_together() -> None:
    stages = [
        StageOutcome("compile", Outcome(Verdict.ACCEPTED, 0, None, Usage(1.0, None, 5, None, 2))),
        StageOutcome("run", Outcome(Verdict.ACCEPTED, 0, None, Usage(2.0, 3.0, 4, None, 1))),
    ]
    assert total_usage(stages) == Usage(3.0, 3.0, 5, None, 3)
    assert total_usage([]) == Usage()


def test_sizes_as_people_write_them() -> None:
    sizes = [512 * MIB, 2048 * MIB, 1536, 100, 1000 * 1024]
    assert [size_text(n) for n in sizes] == ["512 MiB", "2 GiB", "1.5 KiB", "100 bytes", "1000 KiB"]
