"""What is kept of an execution ends with its time, whether or not anybody sweeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from owners import ME
from vibecell.engine.event_log import EventLog
from vibecell.engine.keeping import Keeping, Kept
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Finished, Stream
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict

from .descriptors import open_descriptors

END = Finished(Result("x", Verdict.ACCEPTED))


def kept_of(keeping: Keeping, directory: Path | None = None) -> Kept:
    log = EventLog(keeping.grown, 1000, directory)
    kept = Kept("x", ME.owner, "utf-8", "cancel", log, None, "key")
    keeping.begun(kept, b"one")
    return kept


@pytest.fixture
def now() -> Callable[..., float]:
    moments = [0.0]

    def clock(later_s: float = 0.0) -> float:
        moments[0] += later_s
        return moments[0]

    return clock


def test_a_result_cannot_be_read_after_its_time(now: Callable[..., float]) -> None:
    keeping = Keeping(10.0, 1_000_000, now)
    kept = kept_of(keeping)
    kept.log.append(END)
    keeping.ended(kept)
    now(9.9)
    assert keeping.find("x", ME.owner).log.result() == END.result
    now(0.1)
    with pytest.raises(UnknownExecution):
        keeping.find("x", ME.owner)


def test_a_key_may_be_used_anew_after_its_time(now: Callable[..., float]) -> None:
    keeping = Keeping(10.0, 1_000_000, now)
    kept = kept_of(keeping)
    kept.log.append(END)
    keeping.ended(kept)
    named = keeping.named(ME.owner, "key", b"one")
    assert named is not None
    assert named.id == "x"
    now(10.0)
    keeping.sweep()
    assert keeping.named(ME.owner, "key", b"another") is None


def test_the_file_of_a_log_goes_with_it(now: Callable[..., float], tmp_path: Path) -> None:
    before = open_descriptors()
    keeping = Keeping(10.0, 1_000_000, now)
    kept = kept_of(keeping, tmp_path)
    for _ in range(10):
        kept.log.append(Stream("run", "stdout", b"x" * 1000))
    kept.log.append(END)
    keeping.ended(kept)
    of_the_log = open_descriptors() - before
    assert of_the_log
    now(10.0)
    keeping.sweep()
    assert not of_the_log & open_descriptors()
    assert (len(keeping), keeping.used_bytes) == (0, 0)
