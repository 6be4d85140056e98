"""An engine that is told to stop ends, whatever its backend does, and each part in its time."""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from owners import ME
from vibecell.config import Settings
from vibecell.engine import daemon, execution, executions
from vibecell.engine.client import EngineClient
from vibecell.engine.daemon import run_engine
from vibecell.executor import Conversation
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.fake.scripted_backend import FakeBackend, FakeCell, FakeProcess

PYTHON = Language("python", "Python", "3", (), "main.py", "in_place", ("python3", "{entrypoint}"),
                  profiles=(WarmProfile("python-light"),))  # fmt: skip
SLEEPER = (SourceFile("main.py", b"import time\nprint('begun')\ntime.sleep(60)"),)
NEVER_S = 3600.0
# Shorter than those that hold, so that the tests are; far longer than what is done within.
SHORT_S = 0.3


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vc") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "BACKEND_STOP_S", SHORT_S)
    monkeypatch.setattr(daemon, "LINKS_STOP_S", SHORT_S)
    monkeypatch.setattr(daemon, "EXECUTIONS_STOP_S", SHORT_S)
    monkeypatch.setattr(executions, "EXECUTIONS_STOP_S", SHORT_S)
    monkeypatch.setattr(executions, "CUT_OFF_S", SHORT_S)


async def _stopped(
    folder: Path,
    backend: FakeBackend,
    use: Callable[[], Awaitable[None]] | None = None,
    give_up: Callable[[], None] = lambda: None,
) -> float:
    """Run an engine, use it, stop it; how long the stop took, in seconds."""
    settings = Settings(run_dir=folder, state_dir=folder, backend="fake")
    stop = asyncio.Event()
    engine = asyncio.create_task(run_engine(settings, backend, Offer((PYTHON,)), stop, give_up))
    if use is None:
        await asyncio.sleep(0.1)
    else:
        while not settings.engine_socket.exists():
            await asyncio.sleep(0.01)
        await use()
    began_s = time.monotonic()
    stop.set()
    async with asyncio.timeout(30):
        await engine
    took_s = time.monotonic() - began_s
    assert os.listdir(folder) == ["engine.lock"]
    return took_s


class OpensNever(FakeBackend):
    """One whose first wall takes for ever."""

    closed = False
    cancelled = False

    async def open(self) -> None:
        try:
            await asyncio.sleep(NEVER_S)
        finally:
            self.cancelled = True

    async def close(self) -> None:
        assert self.cancelled, "what is being made is given up before the rest is closed"
        self.closed = True


def test_an_engine_that_still_opens_gives_that_up(folder: Path) -> None:
    backend = OpensNever()
    assert asyncio.run(_stopped(folder, backend)) < 5.0
    assert backend.closed


class ClosesNever(FakeBackend):
    async def close(self) -> None:
        await super().close()
        await asyncio.sleep(NEVER_S)


def test_walls_that_do_not_end_are_left_and_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def use() -> None:
        await asyncio.sleep(0)

    given_up: list[bool] = []
    with caplog.at_level(logging.ERROR):
        took_s = asyncio.run(_stopped(folder, ClosesNever(), use, lambda: given_up.append(True)))
    assert took_s < 5.0
    assert "the walls did not end in time" in caplog.text
    assert given_up == [True], "threads that hang end with the process only"


@pytest.mark.parametrize("stuck", ["program", "cell"])
def test_an_execution_that_does_not_end_is_told_as_cancelled(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    """Whether its program ignores that it is killed, or its cell does not go."""
    if stuck == "program":
        monkeypatch.setattr(FakeProcess, "kill", lambda _self: None)
        monkeypatch.setattr(execution, "KILL_TIMEOUT_S", NEVER_S)
    else:

        async def destroy(_self: FakeCell) -> None:
            await asyncio.sleep(NEVER_S)

        monkeypatch.setattr(FakeCell, "destroy", destroy)
    results: list[Result] = []

    def follow() -> Result:
        request = ExecutionRequest("python", SLEEPER, limits=Limits(wall_time_ms=60_000))
        client = EngineClient(folder / "engine.sock")
        conversation: Conversation
        with client.submit_and_follow(request, ME) as conversation:
            return [event.event for event in conversation.events()][-1].result  # type: ignore[union-attr]

    async def whole() -> float:
        following: list[asyncio.Task[Result]] = []

        async def use() -> None:
            following.append(asyncio.create_task(asyncio.to_thread(follow)))
            await asyncio.sleep(0.3)

        took_s = await _stopped(folder, FakeBackend(), use)
        results.append(await following[0])
        return took_s

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(whole()) < 5.0
    assert (results[0].verdict, results[0].message) == ("cancelled", "the service is stopping")
    assert results[0].stdout == b"begun\n"
    assert "1 executions or their cells did not end in time" in caplog.text
