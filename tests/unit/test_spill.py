"""Logs larger than their memory: the laws hold, whatever lies in the file."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from owners import ME
from vibecell.engine.admission import Admission
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import Plan, Stage
from vibecell.engine.spill import SpillFile
from vibecell.model.errors import PlatformError
from vibecell.model.events import Finished, NumberedEvent, Stream
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.language import WarmProfile
from vibecell.model.limits import DEFAULT_LIMITS
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import Exit, Output, ProcessSpec

from .descriptors import open_descriptors
from .link_messages import events as decoded

END = Finished(Result("x", Verdict.ACCEPTED))


async def read_all(log: EventLog, after: int = 0) -> list[NumberedEvent]:
    return decoded(b"".join([batch async for batch in log.read(after)]))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(0, 3000), max_size=40),
    st.integers(0, 8000),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_any_log_reads_the_same_from_any_number_at_any_time(
    tmp_path: Path, sizes: list[int], memory_bytes: int, asked: list[int]
) -> None:
    async def scenario() -> None:
        log = EventLog(memory_bytes=memory_bytes, directory=tmp_path)
        with contextlib.ExitStack() as stack:
            stack.callback(log.forget)
            early = asyncio.ensure_future(read_all(log))
            late: list[asyncio.Future[list[NumberedEvent]]] = []
            for at, size in enumerate(sizes):
                log.append(Stream("run", "stdout", bytes([at]) * size))
                if at in asked:
                    late.append(asyncio.ensure_future(read_all(log, at)))
                if at % 3 == 0:
                    await asyncio.sleep(0)
            log.append(END)
            events = await early
            assert [e.seq for e in events] == list(range(1, len(sizes) + 2))
            assert [e.event.data for e in events if isinstance(e.event, Stream)] == [
                bytes([at]) * size for at, size in enumerate(sizes)
            ]
            for reader in late:
                found = await reader
                assert found == events[len(events) - len(found) :]
            for after in asked:
                assert await read_all(log, after) == events[after:]

    asyncio.run(scenario())


def test_memory_stays_bounded_and_the_file_takes_the_rest(tmp_path: Path) -> None:
    log = EventLog(memory_bytes=100_000, directory=tmp_path)
    for _ in range(200):
        log.append(Stream("run", "stdout", b"x" * 10_000))
    held = sum(len(each) for each in log._messages if isinstance(each, bytes))
    held += 10_000 * sum(isinstance(each, NumberedEvent) for each in log._messages)
    assert held <= 100_000
    assert log.last_seq == 200
    assert log.size_bytes > 200 * 10_000
    assert list(tmp_path.iterdir()) == [], "the file has no name"
    log.forget()


def test_a_forgotten_log_is_closed_with_its_last_reader(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = open_descriptors()
        log = EventLog(memory_bytes=0, directory=tmp_path)
        for _ in range(5):
            log.append(Stream("run", "stdout", b"x"))
        log.append(END)
        assert len(open_descriptors() - before) == 1
        with log.held():
            log.forget()
            assert len(await read_all(log)) == 6
            assert len(open_descriptors() - before) == 1
        assert open_descriptors() <= before

    asyncio.run(scenario())


def test_small_logs_need_no_file(tmp_path: Path) -> None:
    before = open_descriptors()
    log = EventLog(directory=tmp_path)
    for _ in range(100):
        log.append(Stream("run", "stdout", b"x"))
    log.append(Finished(Result("x", Verdict.ACCEPTED, stdout=b"x" * 2_000_000)))
    assert open_descriptors() <= before


def test_what_cannot_be_put_aside_stays_readable_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def full(descriptor: int, data: memoryview, at: int) -> int:
        nonlocal written
        written += 1
        if written == 1:
            return os.write(descriptor, data)
        if written == 2:
            return 3  # a part of it still fitted
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    async def scenario() -> None:
        log = EventLog(memory_bytes=4000, directory=tmp_path)
        for _ in range(10):
            log.append(Stream("run", "stdout", b"x" * 1000))
        assert log.fault is not None
        log.append(END)
        assert [e.seq for e in await read_all(log)] == list(range(1, 12))
        log.forget()

    asyncio.run(scenario())
    assert written == 3, "a full disk is not tried again"


def test_a_file_that_is_too_short_is_told(tmp_path: Path) -> None:
    aside = SpillFile(tmp_path)
    aside.append(b"abc")
    with pytest.raises(PlatformError, match="read output back"):
        aside.read(1, 3)
    aside.close()
    aside.close()


@pytest.mark.parametrize("refusal", [errno.EOPNOTSUPP, errno.EISDIR])
def test_a_file_system_without_nameless_files_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    opened = os.open

    def refusing(path: str, flags: int, *rest: object, **named: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(refusal, "no such thing here")
        return opened(path, flags, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    aside = SpillFile(tmp_path)
    aside.append(b"abc")
    assert aside.read(1, 2) == b"bc"
    assert os.fstat(aside._descriptor).st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []
    aside.close()


def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="put output aside"):
        SpillFile(tmp_path / "gone").append(b"a")


class Endless:
    """A process that prints until it is left."""

    async def read(self) -> AsyncIterator[Output | Exit]:
        while True:
            yield Output("stdout", b"x" * 65536)
            await asyncio.sleep(0)

    def kill(self) -> None:
        return


class EndlessCell:
    destroyed = False

    async def start(self, spec: object) -> Endless:
        return Endless()

    async def destroy(self) -> None:
        self.destroyed = True


class EndlessBackend:
    def __init__(self) -> None:
        self.cell = EndlessCell()

    async def acquire(self, profile: object, tell: object = None) -> EndlessCell:
        return self.cell


def test_an_execution_whose_output_cannot_be_kept_ends_as_our_failure(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = replace(DEFAULT_LIMITS, output_bytes=1 << 40)
        spec = ProcessSpec(mode="in_place", entrypoint="main.py", argv=(), limits=limits)
        plan = Plan("python", WarmProfile("light"), (Stage("run", spec),))
        source = SourceFile("main.py", b"")
        request = ExecutionRequest("python", files=(source,), limits=limits)
        log = EventLog(memory_bytes=500_000, directory=tmp_path / "gone")
        backend = EndlessBackend()
        execution = Execution("x", request, plan, log)
        ticket = Admission(1, 1).admit(ME, lambda *_: None)
        await asyncio.wait_for(execution.run(ticket, backend), 10)  # type: ignore[arg-type]
        events = await read_all(log)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert isinstance(events[-1].event, Finished)
        assert events[-1].event.result.verdict is Verdict.INTERNAL_ERROR
        assert backend.cell.destroyed

    asyncio.run(scenario())
