"""A program that cannot have begun begins again, once, in another cell."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import Plan, Stage
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import SandboxFailure
from vibecell.model.events import Started
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import (
    CellDied,
    Collection,
    Exit,
    Occurrence,
    Output,
    ProcessSpec,
    TellPosition,
)

from .link_messages import events

SPEC = ProcessSpec(mode="in_place", entrypoint="main.py", argv=())
PLAN = Plan("python", WarmProfile("light"), (Stage("run", SPEC),))
REQUEST = ExecutionRequest("python", files=(SourceFile("main.py", b""),))


class Process:
    def __init__(self, dies: bool) -> None:
        self._dies = dies

    async def read(self) -> AsyncIterator[Occurrence]:
        yield Output("stdout", b"hello\n")
        if self._dies:
            raise SandboxFailure("run the program", "the cell died")
        yield Exit(exit_code=0, signal=None)

    async def write_stdin(self, data: bytes) -> None: ...
    async def end_stdin(self) -> None: ...
    async def send_signal(self, number: int) -> None: ...
    async def resize(self, columns: int, rows: int) -> None: ...
    def kill(self) -> None: ...


class Cell:
    def __init__(self, fate: str) -> None:
        self.fate = fate
        self.destroyed = 0

    async def start(self, spec: ProcessSpec) -> Process:
        if self.fate == "never begins":
            raise CellDied("start the program", "the cell died")
        if self.fate == "reports a failure":
            raise SandboxFailure("write a source", "no space left")
        return Process(self.fate == "dies later")

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        return Collection(())

    async def destroy(self) -> None:
        self.destroyed += 1


class Backend:
    def __init__(self, *fates: str) -> None:
        self.coming = [Cell(fate) for fate in fates]
        self.taken: list[Cell] = []

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> Cell:
        self.taken.append(self.coming.pop(0))
        return self.taken[-1]

    async def probe(self) -> Capabilities:
        raise NotImplementedError

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    def counts(self) -> dict[str, int]:
        return {}


@pytest.mark.parametrize(
    ("fates", "verdict", "cells"),
    [
        (("good", "good"), "accepted", 1),
        (("never begins", "good"), "accepted", 2),
        (("never begins", "never begins", "good"), "internal_error", 2),
        (("dies later", "good"), "internal_error", 1),
        (("reports a failure", "good"), "internal_error", 1),
    ],
)
def test_begins_again(fates: tuple[str, ...], verdict: str, cells: int) -> None:
    async def scenario() -> None:
        backend, log = Backend(*fates), EventLog()
        await Execution("id", REQUEST, PLAN, log).run(None, backend)
        result = log.result()
        assert result is not None
        assert result.verdict == verdict
        assert len(backend.taken) == cells
        assert all(cell.destroyed for cell in backend.taken)
        told = events(b"".join([batch async for batch in log.read()]))
        assert sum(isinstance(each.event, Started) for each in told) <= 1

    asyncio.run(scenario())
