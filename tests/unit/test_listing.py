"""A list of one's own executions: in order, in pages, and of nobody else."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.engine import keeping as keeping_module
from vibecell.engine.event_log import EventLog
from vibecell.engine.keeping import Keeping, Kept
from vibecell.model.caller import Owner
from vibecell.model.errors import InvalidRequest
from vibecell.model.events import Finished
from vibecell.model.execution import Result
from vibecell.model.status import ExecutionSummary, Listing, Selection
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import ListCall, ListReply, decode_call, decode_reply, encode_message

KEY, ANN, BOB, OTHER = Owner("k"), Owner("k", "ann"), Owner("k", "bob"), Owner("o")


class _Live:
    """What does the work, as far as a list looks at it."""

    def __init__(self, state: str) -> None:
        self.state = state


def begin(keeping: Keeping, name: str, owner: Owner, state: str = "running") -> Kept:
    log = EventLog(partial(keeping.grown, owner))
    live: Any = _Live(state)
    kept = Kept(name, owner, "utf-8", "cancel", log, live, language="python")
    keeping.begun(kept, b"")
    return kept


def end(keeping: Keeping, kept: Kept, verdict: Verdict = Verdict.ACCEPTED) -> None:
    assert isinstance(kept.log, EventLog)
    kept.log.append(Finished(Result(kept.id, verdict, stdout=b"x" * 10_000)))
    keeping.ended(kept)


def ids(listing: Listing) -> list[str]:
    return [each.id for each in listing.executions]


def pages(keeping: Keeping, owner: Owner, **wanted: Any) -> list[list[str]]:
    found, page = [], None
    while True:
        listing = keeping.listed(owner, Selection(page=page, **wanted))
        found.append(ids(listing))
        page = listing.next_page
        if page is None:
            return found


@pytest.fixture
def keeping() -> Keeping:
    return Keeping(10.0, 10**9)


def test_a_list_tells_what_is_known_before_and_after_the_end(keeping: Keeping) -> None:
    before_ms = time.time_ns() // 10**6
    kept = begin(keeping, "a", ANN)
    (running,) = keeping.listed(KEY, Selection()).executions
    at_ms = running.begun_at_ms
    assert before_ms <= at_ms <= time.time_ns() // 10**6
    assert running == ExecutionSummary("a", "running", "python", "ann", at_ms)
    end(keeping, kept, Verdict.RUNTIME_ERROR)
    (ended,) = keeping.listed(KEY, Selection()).executions
    assert ended.ended_at_ms is not None
    assert at_ms <= ended.ended_at_ms <= time.time_ns() // 10**6
    assert ended == ExecutionSummary(
        "a", "finished", "python", "ann", at_ms, ended.ended_at_ms, Verdict.RUNTIME_ERROR
    )


def test_nobody_is_shown_what_is_anothers(keeping: Keeping) -> None:
    for at, owner in enumerate([KEY, ANN, BOB, OTHER, ANN]):
        end(keeping, begin(keeping, str(at), owner))
    assert ids(keeping.listed(KEY, Selection())) == ["4", "2", "1", "0"]
    assert ids(keeping.listed(ANN, Selection())) == ["4", "1"]
    assert ids(keeping.listed(BOB, Selection(state="finished"))) == ["2"]
    assert ids(keeping.listed(OTHER, Selection())) == ["3"]
    nobody = keeping.listed(Owner("k", "eve"), Selection())
    assert nobody == keeping.listed(Owner("none"), Selection()) == Listing(())


def test_what_others_begin_changes_no_byte_of_a_list(keeping: Keeping) -> None:
    for at in range(3):
        end(keeping, begin(keeping, f"mine{at}", ANN))
    alone = keeping.listed(ANN, Selection(limit=2))
    for at in range(50):
        begin(keeping, f"of-others{at}", BOB if at % 2 else OTHER)
    assert keeping.listed(ANN, Selection(limit=2)) == alone
    assert alone.next_page is not None


def test_states_select(keeping: Keeping) -> None:
    begin(keeping, "q", ANN, "queued")
    begin(keeping, "r", ANN)
    begin(keeping, "of-bob", BOB)
    begin(keeping, "nearly", ANN, "finished")
    end(keeping, begin(keeping, "f", ANN))
    assert ids(keeping.listed(ANN, Selection())) == ["f", "nearly", "r", "q"]
    assert ids(keeping.listed(ANN, Selection(state="queued"))) == ["q"]
    assert ids(keeping.listed(ANN, Selection(state="running"))) == ["r"]
    assert ids(keeping.listed(ANN, Selection(state="finished"))) == ["f", "nearly"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([KEY, ANN, BOB, OTHER]), st.booleans()), max_size=30),
    st.integers(1, 7),
    st.sampled_from([None, "running", "finished"]),
)
def test_pages_together_are_the_list(
    steps: list[tuple[Owner, bool]], limit: int, state: str | None
) -> None:
    keeping = Keeping(10.0, 10**9)
    for at, (owner, ends) in enumerate(steps):
        kept = begin(keeping, str(at), owner)
        if ends:
            end(keeping, kept)
    wanted = [
        str(at)
        for at, (owner, ends) in enumerate(steps)
        if KEY.owns(owner) and state in (None, "finished" if ends else "running")
    ]
    found = pages(keeping, KEY, limit=limit, state=state)
    assert [each for page in found for each in page] == wanted[::-1]


def test_the_next_page_is_the_same_whatever_begins_or_is_forgotten() -> None:
    now = 0.0
    keeping = Keeping(10.0, 10**9, lambda: now)
    for name in "abcdef":
        end(keeping, begin(keeping, name, ANN))
        now += 1.0
    first = keeping.listed(ANN, Selection(limit=2))
    assert ids(first) == ["f", "e"]
    begin(keeping, "g", ANN)
    second = Selection(limit=2, page=first.next_page)
    assert ids(keeping.listed(ANN, second)) == ["d", "c"]
    now = 14.5  # all but f are over, and swept
    keeping.sweep()
    assert ids(keeping.listed(ANN, second)) == []
    assert ids(keeping.listed(ANN, Selection())) == ["g", "f"]


def test_what_is_over_is_not_shown_though_nobody_has_swept() -> None:
    now = 0.0
    keeping = Keeping(10.0, 10**9, lambda: now)
    end(keeping, begin(keeping, "a", ANN))
    now = 10.0
    assert keeping.listed(ANN, Selection()) == Listing(())


def test_moments_select(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now_ns = 0

        @classmethod
        def time_ns(cls) -> int:
            return cls.now_ns

    monkeypatch.setattr(keeping_module, "time", Clock)
    for at_ms in (5, 6, 6, 7, 4):  # a clock that is set back puts nothing in another order
        Clock.now_ns = at_ms * 10**6
        begin(keeping, f"{at_ms}-{len(keeping)}", ANN)

    def of(**wanted: int) -> list[str]:
        return ids(keeping.listed(ANN, Selection(**wanted)))  # type: ignore[arg-type]

    assert of() == ["4-4", "7-3", "6-2", "6-1", "5-0"]
    assert of(begun_from_ms=6, begun_before_ms=7) == ["6-2", "6-1"]
    assert of(begun_before_ms=6) == ["5-0"]
    assert of(begun_from_ms=8) == []
    assert pages(keeping, ANN, begun_from_ms=6, limit=2) == [["4-4", "7-3"], ["6-2", "6-1"]]


def test_one_call_looks_at_so_many_and_says_where_to_go_on(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_module, "MAX_LOOKED_AT", 5)
    end(keeping, begin(keeping, "last", ANN))
    for at in range(12):
        begin(keeping, str(at), ANN)
    assert pages(keeping, ANN, state="finished") == [[], [], ["last"]]


def test_a_list_reads_no_result(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    end(keeping, begin(keeping, "a", ANN))

    def read(*_: object) -> Result:
        raise AssertionError("a result was read")

    monkeypatch.setattr("vibecell.engine.finished_log.decode_result", read)
    monkeypatch.setattr("vibecell.engine.keeping.FinishedLog", read)
    assert ids(keeping.listed(ANN, Selection())) == ["a"]


@pytest.mark.parametrize("page", ["x", "-1", "1" * 19, "\u0661"])
def test_a_page_that_no_list_has_named_is_none(keeping: Keeping, page: str) -> None:
    with pytest.raises(InvalidRequest, match="page"):
        keeping.listed(ANN, Selection(page=page))


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_a_bound(limit: int) -> None:
    with pytest.raises(InvalidRequest, match="limit: must be 1 to 100"):
        Selection(limit=limit)


def test_nothing_is_left_of_a_list_when_all_is_forgotten(tick: Callable[[float], Keeping]) -> None:
    keeping = tick(0.0)
    for at in range(20):
        end(keeping, begin(keeping, str(at), Owner("k", f"user{at}")))
    tick(10.0).sweep()
    assert len(keeping._rolls) == 0


@pytest.fixture
def tick() -> Callable[[float], Keeping]:
    moments = [0.0]
    keeping = Keeping(10.0, 10**9, lambda: moments[0])

    def at(moment_s: float) -> Keeping:
        moments[0] = moment_s
        return keeping

    return at


def test_lists_travel() -> None:
    call = ListCall(ANN, Selection("finished", 5, 7, "12", 3))
    assert decode_call(encode_message(call)[4:]) == call
    shown = ExecutionSummary("a", "finished", "python", None, 1, 2, Verdict.ACCEPTED)
    reply = ListReply(Listing((shown,), "7"))
    assert decode_reply(encode_message(reply)[4:]) == reply


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 101}, {"page": "a b"}, {"state": "ended"}, {"begun_from_ms": -1}],
)
def test_a_call_for_a_list_is_bounded(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        decode_call(msgspec.msgpack.encode({"call": "list", "owner": ANN, "selection": wrong}))
