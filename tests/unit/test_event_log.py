"""The laws of the event stream, over the log and what writes into it."""

import asyncio
import contextlib
import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owners import ME, YOU
from vibecell.engine.event_log import EventLog
from vibecell.engine.keeping import FIXED_BYTES, Keeping, Kept
from vibecell.engine.output import CharacterCutter, OutputKeeper
from vibecell.engine.recorder import MAX_PIECE_BYTES, Recorder
from vibecell.model.caller import Owner
from vibecell.model.errors import Conflict, UnknownExecution
from vibecell.model.events import Display, Finished, NumberedEvent, Started, Stream
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict

from .link_messages import events as events_of
from .link_messages import messages

END = Finished(Result("x", Verdict.ACCEPTED))
TEXT = st.text(alphabet=st.sampled_from("a\né€😀\u2028"), max_size=40)


async def read_all(log: EventLog, after: int = 0) -> list[NumberedEvent]:
    return events_of(b"".join([batch async for batch in log.read(after)]))


def is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.lists(st.sampled_from([b"a", b"bc"]), max_size=20), st.integers(0, 25))
def test_numbers_have_no_gap_and_reading_resumes_anywhere(data: list[bytes], after: int) -> None:
    async def scenario() -> None:
        log = EventLog()
        for piece in data:
            log.append(Stream("run", "stdout", piece))
        log.append(END)
        events = await read_all(log)
        assert [e.seq for e in events] == list(range(1, len(data) + 2))
        assert isinstance(events[-1].event, Finished)
        assert await read_all(log, after) == events[after:]

    asyncio.run(scenario())


def test_nothing_follows_the_last_event() -> None:
    log = EventLog()
    log.append(END)
    with pytest.raises(RuntimeError):
        log.append(END)
    assert log.result() == END.result


def test_readers_follow_and_a_slow_one_delays_nobody() -> None:
    async def scenario() -> None:
        log = EventLog()
        fast = asyncio.ensure_future(read_all(log))
        slow = log.read()
        log.append(Started("run"))
        await anext(slow)
        for _ in range(100):
            log.append(Stream("run", "stdout", b"x"))
            await asyncio.sleep(0)
        log.append(END)
        assert len(await asyncio.wait_for(fast, 1)) == 102
        rest = b"".join([batch async for batch in slow])
        assert len(messages(rest)) == 101

    asyncio.run(scenario())


@settings(max_examples=60)
@given(TEXT, TEXT, st.lists(st.integers(1, 9), min_size=1, max_size=20), st.booleans())
def test_characters_are_never_split(out: str, err: str, cuts: list[int], pauses: bool) -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        left = {"stdout": out.encode(), "stderr": err.encode()}
        at = 0
        while any(left.values()):
            for name in ("stdout", "stderr"):
                size = cuts[at % len(cuts)]
                at += 1
                recorder.output(name, left[name][:size])
                left[name] = left[name][size:]
            if pauses:
                await asyncio.sleep(0)
        recorder.flush()
        recorder.event(END)
        events = [e.event for e in await read_all(log)]
        pieces = [e for e in events if isinstance(e, Stream)]
        assert all(is_whole(p.data) for p in pieces)
        assert b"".join(p.data for p in pieces if p.name == "stdout") == out.encode()
        assert b"".join(p.data for p in pieces if p.name == "stderr") == err.encode()
        assert recorder.kept.stdout == out.encode()
        assert len(recorder.kept.output) == len(out.encode()) + len(err.encode())
        assert is_whole(recorder.kept.output), "a piece of one stream is in a character of another"

    asyncio.run(scenario())


@given(st.lists(st.binary(max_size=6), max_size=20))
def test_bytes_that_are_no_characters_pass_unchanged(pieces: list[bytes]) -> None:
    cutter = CharacterCutter()
    assert b"".join([*map(cutter.feed, pieces), cutter.flush()]) == b"".join(pieces)


@pytest.mark.parametrize("tail", [b"\xff", b"\x80", b"\xc0", b"\xf5", b"\xe0\x80", b"\xed\xa0"])
def test_what_can_never_be_a_character_is_not_held_back(tail: bytes) -> None:
    assert CharacterCutter().feed(b"a" + tail) == b"a" + tail


@pytest.mark.parametrize("tail", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_what_may_become_a_character_waits(tail: bytes) -> None:
    cutter = CharacterCutter()
    assert (cutter.feed(b"a" + tail), cutter.flush()) == (b"a", tail)


def test_output_byte_by_byte_costs_few_events() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        for _ in range(20_000):
            recorder.output("stdout", b"o")
            recorder.output("stderr", b"e")
        recorder.flush()
        assert log.last_seq < 500
        assert recorder.kept.stdout == b"o" * 20_000

    asyncio.run(scenario())


def test_a_first_piece_goes_at_once_and_the_rest_soon() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        recorder.output("stdout", b"a")
        assert log.last_seq == 1
        recorder.output("stdout", b"b")
        recorder.output("stdout", b"c")
        assert log.last_seq == 1
        await asyncio.sleep(0.1)
        assert log.last_seq == 2

    asyncio.run(scenario())


def test_large_output_is_cut_into_pieces_at_characters() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        recorder.output("stdout", b"a" + "€".encode() * 100_000)
        recorder.flush()
        recorder.event(END)
        pieces = [e.event.data for e in await read_all(log) if isinstance(e.event, Stream)]
        assert all(len(p) <= MAX_PIECE_BYTES + 3 and is_whole(p) for p in pieces)
        assert b"".join(pieces) == b"a" + "€".encode() * 100_000

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", range(1, 13))
def test_output_that_was_cut_ends_with_a_whole_character(limit: int) -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        recorder.output("stdout", "語é😀a€".encode()[:limit])
        recorder.flush(cut=True)
        recorder.event(END)
        pieces = [e.event.data for e in await read_all(log) if isinstance(e.event, Stream)]
        shown = b"".join(pieces)
        assert shown == recorder.kept.stdout == recorder.kept.output
        assert "語é😀a€".startswith(shown.decode()), "a character that the program never printed"
        assert len(shown) > limit - 4
        assert recorder.truncated

    asyncio.run(scenario())


def test_an_unfinished_character_that_was_printed_is_kept() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        recorder.output("stdout", b"a\xe8\xaa")
        recorder.flush()
        assert recorder.kept.stdout == b"a\xe8\xaa"
        assert not recorder.truncated

    asyncio.run(scenario())


def test_the_result_keeps_whole_characters_and_nothing_after_a_gap() -> None:
    keeper = OutputKeeper(5)
    keeper.add("stdout", "語語".encode())
    keeper.add("stdout", b"a")
    assert (keeper.output.decode(), keeper.truncated) == ("語", True)


def test_the_result_keeps_a_bounded_part() -> None:
    keeper = OutputKeeper(5)
    keeper.add("stdout", b"abc")
    keeper.add("stderr", b"def")
    keeper.add("stdout", b"g")
    assert (keeper.stdout, keeper.stderr, keeper.output) == (b"abc", b"de", b"abcde")
    assert keeper.truncated


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"text/html":1}',
        b'{"../x":"y"}',
        b'{"text/html":"a","text/html":"b"}',
        b"[" * 10_000,
        json.dumps({f"text/x{i}": "" for i in range(17)}).encode(),
    ],
)
def test_displays_that_are_none_are_left_out(data: bytes) -> None:
    log = EventLog()
    recorder = Recorder(log)
    recorder.display(data)
    assert log.last_seq == 0


def test_displays_are_bounded() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        for _ in range(1000):
            recorder.display(b'{"text/plain":"x"}')
        assert log.last_seq == 256
        assert recorder.truncated
        recorder.event(END)
        assert isinstance((await read_all(log))[0].event, Display)

    asyncio.run(scenario())


def record(name: str, log: EventLog) -> Kept:
    return Kept(name, ME.owner, "utf-8", "cancel", log, None, f"key-{name}")


def alive(keeping: Keeping, names: str) -> str:
    found = ""
    for name in names:
        with contextlib.suppress(UnknownExecution):
            found += keeping.find(name, ME.owner).id
    return found


def test_what_is_kept_is_forgotten_when_it_is_old_then_when_it_is_too_much() -> None:
    now = 0.0

    def finish(name: str, keeping: Keeping) -> None:
        kept = record(name, log := EventLog(partial(keeping.grown, ME.owner)))
        keeping.begun(kept, b"")
        log.append(Stream("run", "stdout", b"x" * 50_000))
        log.append(END)
        keeping.ended(kept)

    one = Keeping(10.0, 10**9)
    finish("x", one)
    keeping = Keeping(10.0, 5 * one.used_bytes, lambda: now)
    finish("a", keeping)
    now = 5.0
    finish("b", keeping)
    now = 10.0
    keeping.sweep()
    assert alive(keeping, "ab") == "b"
    assert keeping.named(ME.owner, "key-a", b"") is None
    for name in "cdef":
        finish(name, keeping)
    assert alive(keeping, "abcdef") == "cdef"
    finish("g", keeping)
    assert alive(keeping, "abcdefg") == "defg"
    assert keeping.used_bytes <= 5 * one.used_bytes
    now = 100.0
    keeping.sweep()
    assert (alive(keeping, "abcdefg"), len(keeping)) == ("", 0)
    assert keeping.used_bytes == 0


def test_a_live_log_is_never_forgotten() -> None:
    keeping = Keeping(10.0, FIXED_BYTES)
    kept = record("x", EventLog(partial(keeping.grown, ME.owner)))
    keeping.begun(kept, b"")
    kept.log.append(Stream("run", "stdout", b"x" * 100_000))
    assert alive(keeping, "x") == "x"
    kept.log.append(END)
    keeping.ended(kept)
    assert alive(keeping, "x") == ""
    assert keeping.used_bytes == 0


def test_only_its_owner_finds_what_is_kept() -> None:
    keeping = Keeping(10.0, 100 * FIXED_BYTES)
    keeping.begun(record("x", EventLog(partial(keeping.grown, ME.owner))), b"one")
    with pytest.raises(UnknownExecution):
        keeping.find("x", YOU.owner)
    assert keeping.named(YOU.owner, "key-x", b"one") is None
    with pytest.raises(Conflict):
        keeping.named(ME.owner, "key-x", b"another")


def test_a_platform_sees_what_its_users_have_and_they_see_their_own() -> None:
    keeping = Keeping(10.0, 100 * FIXED_BYTES)
    ann, ben, platform = Owner("shop", "ann"), Owner("shop", "ben"), Owner("shop")
    log = EventLog()
    keeping.begun(Kept("x", ann, "utf-8", "cancel", log, None, "key"), b"one")
    assert keeping.find("x", ann).id == keeping.find("x", platform).id == "x"
    keeping.begun(Kept("y", platform, "utf-8", "cancel", log, None), b"two")
    for other, name in ((ben, "x"), (ann, "y"), (Owner("other", "ann"), "x"), (YOU.owner, "x")):
        with pytest.raises(UnknownExecution):
            keeping.find(name, other)
    assert keeping.named(platform, "key", b"one") is None  # each names by his own keys
