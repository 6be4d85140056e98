"""What is kept of an execution ends with its time, whether or not anybody sweeps.

Before that it ends where all is too much, and then of whoever keeps more than his part.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owners import ME
from vibecell.engine.event_log import EventLog
from vibecell.engine.keeping import Keeping, Kept
from vibecell.model.caller import Owner
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Finished, Stream
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict

from .descriptors import open_descriptors

END = Finished(Result("x", Verdict.ACCEPTED))


def kept_of(keeping: Keeping, directory: Path | None = None) -> Kept:
    log = EventLog(partial(keeping.grown, ME.owner), 1000, directory)
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


def finish(keeping: Keeping, name: str, owner: Owner, size: int) -> None:
    log = EventLog(partial(keeping.grown, owner))
    keeping.begun(Kept(name, owner, "utf-8", "cancel", log, None, name), b"")
    log.append(Stream("run", "stdout", b"x" * size))
    log.append(END)
    keeping.ended(keeping.find(name, owner))


def is_there(keeping: Keeping, name: str, owner: Owner) -> bool:
    try:
        keeping.find(name, owner)
    except UnknownExecution:
        return False
    return True


SMALL = (Owner("a"), Owner("b", "ann"), Owner("flood", "ann"))
LARGE = (Owner("flood", "ben"), Owner("flood"), Owner("torrent", "ann"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SMALL), st.just(10), st.integers(0, 2))
        | st.tuples(st.sampled_from(LARGE), st.integers(50_000, 300_000), st.integers(0, 2)),
        min_size=10,
        max_size=60,
    )
)
def test_who_keeps_no_more_than_his_part_loses_nothing_before_its_time(
    history: list[tuple[Owner, int, int]],
) -> None:
    now = [0.0]
    budget_bytes, ttl_s = 1_000_000, 20.0
    keeping = Keeping(ttl_s, budget_bytes, lambda: now[0])
    ended: dict[str, tuple[Owner, float]] = {}
    for at, (owner, size, later_s) in enumerate(history):
        now[0] += later_s
        finish(keeping, str(at), owner, size)
        ended[str(at)] = owner, now[0]
        # four keys, three users of one: the least part has room for all small ones
        there = {name for name, (whose, _) in ended.items() if is_there(keeping, name, whose)}
        for name, (whose, when) in ended.items():
            if whose in SMALL:
                assert (name in there) is (now[0] - when < ttl_s)
        assert keeping.used_bytes <= budget_bytes
        keeping.sweep()
        assert len(keeping) == len(there)
    for name, (owner, _) in ended.items():
        named = keeping.named(owner, name, b"")
        assert (named is not None) is is_there(keeping, name, owner), "a key goes with its result"
    now[0] += ttl_s
    keeping.sweep()
    assert (len(keeping), keeping.used_bytes) == (0, 0)
    assert not keeping._ended and not keeping._keys and not keeping._pages._pages


def test_a_flood_forgets_its_own_and_takes_no_memory_for_what_is_gone() -> None:
    keeping = Keeping(1000.0, 1_000_000)
    finish(keeping, "mine", ME.owner, 10)
    for at in range(500):
        finish(keeping, f"flood {at}", Owner("flood"), 100_000)
    assert is_there(keeping, "mine", ME.owner)
    assert is_there(keeping, "flood 499", Owner("flood"))
    assert len(keeping) < 12
    assert len(keeping._ended) <= 2 * len(keeping)


def test_what_lives_of_one_key_takes_nothing_of_anothers(now: Callable[..., float]) -> None:
    """Its programs have printed more than the budget, and none of them has ended."""
    keeping = Keeping(10.0, 100_000, now)
    finish(keeping, "mine", ME.owner, 10_000)
    flood = Owner("flood")
    for at in range(3):
        log = EventLog(partial(keeping.grown, flood))
        keeping.begun(Kept(f"live {at}", flood, "utf-8", "cancel", log, None), b"")
        log.append(Stream("run", "stdout", b"x" * 200_000))
    finish(keeping, "its", flood, 10_000)
    assert not is_there(keeping, "its", flood)
    assert is_there(keeping, "mine", ME.owner)
    now(10.0)
    keeping.sweep()
    assert not is_there(keeping, "mine", ME.owner)
