"""Each execution that has ended has its line in the log."""

import logging
from dataclasses import replace

import msgspec
import pytest

from vibecell.engine.execution_log import ExecutionLine, ExecutionLog, line_of
from vibecell.engine.witnesses import Ended, Source
from vibecell.model.caller import Owner
from vibecell.model.execution import (
    ExecutionRequest,
    Outcome,
    OutputFile,
    Result,
    SourceFile,
    StageOutcome,
    Usage,
)
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.verdicts import Verdict

SECRET = b"planted-secret-1234"
USED = Usage(12.0, 3.0004, 4096, 1, 19)
KILLED = Outcome(Verdict.RUNTIME_ERROR, None, "SIGKILL", USED, SECRET.decode())
RESULT = Result(
    "id-1",
    Verdict.RUNTIME_ERROR,
    (StageOutcome("run", KILLED),),
    SECRET,
    SECRET,
    SECRET,
    usage=USED,
    files=(OutputFile(SECRET.decode(), SECRET),),
    warm=True,
    message=SECRET.decode(),
)
MS = 1_000_000
ENDED = Ended(
    "id-1",
    Owner("key-1", "ann"),
    Provenance("request-1", "192.0.2.1", "token"),
    Source.of(ExecutionRequest("py", (SourceFile("main.py", SECRET),), stdin=SECRET)),
    "python",
    "",
    0,
    {
        "call": 1 * MS,
        "admitted": 2 * MS,
        "running": 4 * MS,
        "started": 7 * MS,
        "output": 11 * MS,
        "exit": 16 * MS,
        "result": 22 * MS,
    },
    RESULT,
)


def test_what_is_said_of_one() -> None:
    assert msgspec.to_builtins(line_of(ENDED)) == {
        "event": "execution",
        "execution_id": "id-1",
        "request_id": "request-1",
        "key_id": "key-1",
        "user": "ann",
        "address": "192.0.2.1",
        "credential": "token",
        "language": "python",
        "place": "",
        "verdict": "runtime_error",
        "signal": "SIGKILL",
        "waited_ms": 2.0,
        "start_ms": 3.0,
        "first_output_ms": 4.0,
        "run_ms": 9.0,
        "total_ms": 21.0,
        "cpu_ms": 3.0,
        "memory_bytes": 4096,
        "output_bytes": 19,
        "warm": True,
        "source_sha256": ENDED.source.sha256,
        "source_bytes": len(SECRET),
    }


def test_nothing_of_the_program_is_said() -> None:
    assert SECRET.decode() not in repr(line_of(ENDED))


def test_what_never_came_is_left_out() -> None:
    bare = replace(
        ENDED,
        owner=Owner("local"),
        provenance=NO_REQUEST,
        place=None,
        moments_ns={"call": 1},
        result=Result("id-1", Verdict.INTERNAL_ERROR),
    )
    assert set(msgspec.to_builtins(line_of(bare))) == {
        "event",
        "execution_id",
        "key_id",
        "language",
        "verdict",
        "output_bytes",
        "warm",
        "source_sha256",
        "source_bytes",
    }


@pytest.mark.parametrize(("level", "count"), [(logging.INFO, 1), (logging.WARNING, 0)])
def test_it_is_logged_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture, level: int, count: int
) -> None:
    caplog.set_level(level, "vibecell.engine.execution_log")
    ExecutionLog().ended(ENDED)
    assert [type(getattr(x, "event")) for x in caplog.records] == [ExecutionLine] * count  # noqa: B009
