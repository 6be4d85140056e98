"""A log that is finished reads as it did before, and costs what its bytes are."""

import asyncio
import os
import random
import subprocess
import sys
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vibecell
from owners import ME
from vibecell.engine import finished_log, memory_pages, spill
from vibecell.engine.event_log import EventLog
from vibecell.engine.finished_log import FinishedLog, Label, packed
from vibecell.engine.keeping import Keeping, Kept
from vibecell.engine.memory_pages import MAX_SHARED_BYTES, PAGE_BYTES, Pages
from vibecell.engine.whole_result import whole_message
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Display, Finished, NumberedEvent, Started, Stream
from vibecell.model.execution import KeptDisplay, Result
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import decode_result

from .descriptors import open_descriptors
from .link_messages import events as events_of

END = Finished(Result("x", Verdict.ACCEPTED, stdout=b"1\n"))
LABEL = Label(ME.owner, "base64", "continue", "key", "python", 17, 18, Verdict.ACCEPTED)


async def read_all(log: EventLog | FinishedLog, after: int = 0) -> list[NumberedEvent]:
    return events_of(b"".join([batch async for batch in log.read(after)]))


def finished(*sizes: int, log: EventLog | None = None) -> EventLog:
    log = log or EventLog()
    log.append(Started("run"))
    for at, size in enumerate(sizes):
        log.append(Stream("run", "stdout", bytes([at % 256]) * size))
    log.append(END)
    return log


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 3000) | st.integers(100_000, 400_000), max_size=12), st.integers(0, 14)
)
def test_a_finished_log_reads_the_same_from_any_number(sizes: list[int], after: int) -> None:
    async def scenario() -> None:
        log = finished(*sizes)
        pages = Pages()
        pages.put(b"before it")
        piece = packed(LABEL, log, 12.5)
        assert piece is not None
        again = FinishedLog(*pages.find(pages.put(piece)))
        assert await read_all(again, min(after, log.last_seq)) == await read_all(log, after)
        assert await again.last_message() == await log.last_message()
        assert (again.result(), again.last_seq) == (log.result(), log.last_seq)
        assert again.has_displays is log.has_displays is False
        assert (again.label, again.ended_at, again.piece_bytes) == (LABEL, 12.5, len(piece))

    asyncio.run(scenario())


def test_whether_anything_was_displayed_is_known_without_reading_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two megabytes of output are decoded once for an answer with displays, and else not at all."""
    decoded = []

    def counted(data: bytes) -> Result:
        decoded.append(len(data))
        return decode_result(data)

    monkeypatch.setattr(finished_log, "decode_result", counted)
    shown = EventLog()
    seq = shown.append(Display({"text/plain": "a table"}))
    described = KeptDisplay(seq, ("text/plain",), 7)
    shown.append(Finished(replace(END.result, displays=(described,))))
    pages = Pages()
    for log, decodes in ((finished(), 0), (shown, 1)):
        piece = packed(LABEL, log, 12.5)
        assert piece is not None
        again = FinishedLog(*pages.find(pages.put(piece)))
        assert again.has_displays is log.has_displays
        last = asyncio.run(again.last_message())
        assert (whole_message(again, last) == last) is (not decodes)
        assert len(decoded) == decodes


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 1000)
            | st.integers(1, 60_000)
            | st.sampled_from([4096, 8192, MAX_SHARED_BYTES, MAX_SHARED_BYTES + 1, PAGE_BYTES + 1]),
            st.integers(0, 20) | st.none(),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_pieces_are_there_until_they_are_forgotten_in_any_order(
    steps: list[tuple[int, int | None]], chance: random.Random
) -> None:
    pages = Pages()
    there: list[tuple[int, bytes]] = []
    given_out = []
    for size, forgotten in steps:
        data = chance.randbytes(size)
        there.append((pages.put(data), data))
        given_out.append(weakref.ref(pages.find(there[-1][0])[0]))
        if forgotten is not None and forgotten < len(there):
            place, data = there.pop(forgotten)
            pages.forget(place, len(data))
        for place, data in there:
            page, offset = pages.find(place)
            assert page[offset : offset + len(data)] == data
            del page
    chance.shuffle(there)
    for place, data in there:
        pages.forget(place, len(data))
    assert not any(page() for page in given_out), "all are given back"


def private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


@pytest.mark.parametrize("size", [300, 1000, 3000, 20_000])
def test_what_goes_among_what_stays_gives_its_memory_back(size: int) -> None:
    """One in a hundred pieces stays: of the rest no more is held than the frames beneath it."""
    count = 32 * PAGE_BYTES // size
    pages = Pages()
    before = private_bytes()
    places = [pages.put(b"x" * size) for _ in range(count)]
    full = private_bytes()
    assert full - before > 30 * PAGE_BYTES
    for at, place in enumerate(places):
        if at % 100:
            pages.forget(place, size)
    stay = -(-count // 100)
    # a frame beyond a piece on either side of it, and what the test itself takes
    assert private_bytes() - before < stay * (size + 2 * 4096) + 2 * PAGE_BYTES
    assert all(pages.find(place)[0][pages.find(place)[1]] == ord("x") for place in places[::100])


def test_who_reads_a_small_log_holds_no_page_of_others() -> None:
    pages = Pages()
    piece = packed(LABEL, finished(10), 1.0)
    assert piece is not None
    page, offset = pages.find(place := pages.put(piece))
    reader, held = FinishedLog(page, offset), weakref.ref(page)
    del page
    pages.forget(place, len(piece))
    assert held() is None
    assert reader.result() == finished(10).result()


@pytest.mark.parametrize("size", [10, MAX_SHARED_BYTES - 1000, MAX_SHARED_BYTES, 3 * PAGE_BYTES])
def test_a_reader_reads_what_was_there_though_it_is_forgotten_and_others_stay(size: int) -> None:
    pages = Pages()
    piece = packed(LABEL, finished(size), 1.0)
    assert piece is not None
    pages.put(b"before it")
    place = pages.put(piece)
    pages.put(b"after it")
    reader = FinishedLog(*pages.find(place))
    pages.forget(place, len(piece))
    pages.put(b"y" * MAX_SHARED_BYTES)
    assert asyncio.run(read_all(reader)) == asyncio.run(read_all(finished(size)))


def keep(keeping: Keeping, name: str, *sizes: int) -> None:
    log = EventLog(partial(keeping.grown, ME.owner))
    kept = Kept(name, ME.owner, "utf-8", "cancel", log, None, name)
    keeping.begun(kept, b"")
    finished(*sizes, log=log)
    keeping.ended(kept)


def test_who_reads_a_result_reads_it_to_its_end_though_it_is_forgotten() -> None:
    async def scenario() -> None:
        now = 0.0
        keeping = Keeping(10.0, 10**9, lambda: now)
        keep(keeping, "a", 200_000, 300_000, 400_000)
        reading = keeping.find("a", ME.owner).log.read()
        first = await anext(reading)
        now = 20.0
        keeping.sweep()
        with pytest.raises(UnknownExecution):
            keeping.find("a", ME.owner)
        keep(keeping, "b", 100_000)
        rest = b"".join([batch async for batch in reading])
        events = events_of(first + rest)
        assert [len(e.event.data) for e in events if isinstance(e.event, Stream)] == [
            200_000, 300_000, 400_000,
        ]  # fmt: skip
        assert isinstance(events[-1].event, Finished)

    asyncio.run(scenario())


def test_what_is_kept_is_found_by_its_key_with_all_that_is_known_of_it() -> None:
    keeping = Keeping(10.0, 10**9)
    keep(keeping, "a", 10)
    found = keeping.named(ME.owner, "a", b"")
    assert found is not None
    told = (found.id, found.owner, found.encoding, found.on_disconnect, found.state)
    assert told == ("a", ME.owner, "utf-8", "cancel", "finished")
    assert found.inspected().result == END.result


def test_without_memory_for_a_page_a_result_is_kept_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    now = 0.0
    keeping = Keeping(10.0, 10**9, lambda: now)
    monkeypatch.setattr(memory_pages.mmap, "mmap", none)
    keep(keeping, "a", 10)
    monkeypatch.undo()
    keep(keeping, "b", 10)
    assert keeping.find("a", ME.owner).log.result() == keeping.find("b", ME.owner).log.result()
    now = 20.0
    keeping.sweep()
    assert (len(keeping), keeping.used_bytes) == (0, 0)


def test_a_log_whose_file_was_full_leaves_none_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spill.os, "pwrite", full)
    before = open_descriptors()
    keeping = Keeping(10.0, 10**9)
    log = EventLog(partial(keeping.grown, ME.owner), memory_bytes=1000, directory=tmp_path)
    keeping.begun(kept := Kept("a", ME.owner, "utf-8", "cancel", log, None), b"")
    finished(2000, 2000, log=log)
    assert log.fault is not None
    keeping.ended(kept)
    assert keeping.find("a", ME.owner).log.last_seq == 4
    assert open_descriptors() <= before


MANY_PRINTS = """
import asyncio, sys
from pathlib import Path
from vibecell.config import Settings
from vibecell.config.garbage import give_back, settle_garbage
from vibecell.engine.executions import Executions
from vibecell.model.caller import Account, Owner
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.sandbox.fake.scripted_backend import FakeBackend

folder, count, now = Path(sys.argv[1]), int(sys.argv[2]), [0.0]
python = Language("python", "Python", "3", (), "main.py", "in_place", profiles=(WarmProfile("p"),))
settings = Settings(state_dir=folder, run_dir=folder, backend="fake", max_concurrent=8)
one = ExecutionRequest("python", (SourceFile("main.py", b"print(1)"),))

def resident_bytes():
    give_back()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

async def print_and_forget(executions):
    before = resident_bytes()
    for _ in range(count // 8):
        begun = [executions.admit(one, Account(Owner("me")), None)[0] for _ in range(8)]
        for kept in begun:
            await kept.log.last_message()
        await asyncio.sleep(0)
    while any(kept.live for kept in begun):
        await asyncio.sleep(0.01)
    counts = executions.counts()
    full = resident_bytes()
    now[0] += 1000
    executions._keeping.sweep()
    return before, full, resident_bytes(), counts["kept"], counts["event_log_bytes"]

async def main():
    backend = FakeBackend()
    await backend.open()
    executions = Executions(settings, backend, Offer((python,)))
    executions._keeping._clock = lambda: now[0]
    settle_garbage()
    await print_and_forget(executions)
    print(*await print_and_forget(executions))

asyncio.run(main())
"""


def test_a_kept_result_of_one_print_costs_a_kilobyte_or_so_and_is_given_back(
    tmp_path: Path,
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", MANY_PRINTS, str(tmp_path), "3000"],
        env={**os.environ, "PYTHONPATH": str(Path(vibecell.__file__).parents[1])},
        capture_output=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    before, full, after, count, counted = map(int, told.split())
    assert count == 3000
    assert counted / count < 1500
    assert full - before < counted * 1.25, "it takes more than it is counted as"
    assert after < before * 1.05, "what is forgotten is not given back"
