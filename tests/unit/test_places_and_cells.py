"""Places, cells and stages: what is given back when, and what is never begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from owners import ME
from vibecell.engine import execution as execution_module
from vibecell.engine import stages as stages_module
from vibecell.engine.admission import Admission
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import COMPILE, RUN, Plan, Stage
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import ExecutionRequest, Result, SourceFile, Usage
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import CellDied, Collection, Exit, Occurrence, ProcessSpec

SPEC = ProcessSpec(mode="exec", entrypoint="main", argv=("true",), limits=Limits(wall_time_ms=20))
INTERPRETED = Plan("x", WarmProfile("x"), (Stage(RUN, SPEC),))
COMPILED = Plan("x", WarmProfile("x"), (Stage(COMPILE, SPEC), Stage(RUN, SPEC)))
REQUEST = ExecutionRequest("x", files=(SourceFile("main", b""),))
ENOUGH_S = 20.0
FILES, FILE_BYTES = 64, 4 * 1024 * 1024


async def nothing() -> None: ...


class Process:
    """Ends as it is told; ``None``: never."""

    def __init__(self, end: Exit | None, at_its_end: Callable[[], None]) -> None:
        self._end = end
        self._at_its_end = at_its_end

    async def read(self) -> AsyncIterator[Occurrence]:
        if self._end is None:
            await asyncio.Event().wait()
        else:
            yield self._end
            self._at_its_end()

    def usage_now(self) -> Usage:
        return Usage()

    def kill(self) -> None: ...


class Cell:
    """Has one end for each stage; ``destroying`` is waited for when it is destroyed."""

    def __init__(
        self, *ends: Exit | Exception | None, destroying: Callable[[], Awaitable[Any]] = nothing
    ) -> None:
        self._ends = list(ends)
        self._destroying = destroying
        self.specs: list[ProcessSpec] = []
        self.asked_for: tuple[int, int] | None = None
        self.is_gone = False
        self.at_its_end: Callable[[], None] = lambda: None

    async def start(self, spec: ProcessSpec) -> Process:
        self.specs.append(spec)
        end = self._ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return Process(end, self.at_its_end)

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        self.asked_for = max_files, max_bytes
        return Collection()

    async def destroy(self) -> None:
        await self._destroying()
        self.is_gone = True


class Backend:
    def __init__(self, *cells: Cell, failure: Exception | None = None) -> None:
        self.coming = list(cells)
        self.failure = failure

    async def acquire(self, profile: WarmProfile, tell: object = None) -> Cell:
        if self.failure is not None:
            raise self.failure
        return self.coming.pop(0)


def made(plan: Plan = INTERPRETED, request: ExecutionRequest = REQUEST) -> Execution:
    return Execution("id", request, plan, EventLog())


def result_of(execution: Execution, *cells: Cell, failure: Exception | None = None) -> Result:
    async def scenario() -> Result:
        backend: Any = Backend(*cells, failure=failure)
        async with asyncio.timeout(ENOUGH_S):
            await execution.run(None, backend)
        result = execution.log.result()
        assert result is not None
        assert all(cell.is_gone for cell in cells if cell.specs)
        return result

    return asyncio.run(scenario())


def test_a_place_is_free_only_when_its_cell_is_gone() -> None:
    async def scenario() -> None:
        may_go = asyncio.Event()
        first, second = Cell(Exit(0, None), destroying=may_go.wait), Cell(Exit(0, None))
        backend: Any = Backend(first, second)
        admission = Admission(1, 1)
        lives = []
        for _ in range(2):
            execution = made()
            ticket = admission.admit(ME, execution.queued)
            lives.append(asyncio.create_task(execution.run(ticket, backend)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert first.specs
        assert not second.specs, "two cells live where one may"
        may_go.set()
        async with asyncio.timeout(ENOUGH_S):
            await asyncio.gather(*lives)
        assert second.is_gone
        assert admission.running == 0

    asyncio.run(scenario())


def test_a_cell_that_cannot_be_destroyed_takes_no_place_along() -> None:
    async def fails() -> None:
        raise SandboxFailure("destroy a cell")

    async def scenario() -> None:
        admission = Admission(1, 0)
        execution = made()
        backend: Any = Backend(Cell(Exit(0, None), destroying=fails))
        await execution.run(admission.admit(ME, execution.queued), backend)
        assert admission.running == 0

    asyncio.run(scenario())


def test_a_stop_in_the_middle_of_cleaning_up_leaves_no_cell() -> None:
    async def scenario() -> None:
        begun, may_go = asyncio.Event(), asyncio.Event()

        async def slowly() -> None:
            begun.set()
            await may_go.wait()

        cell = Cell(Exit(0, None), destroying=slowly)
        backend: Any = Backend(cell)
        admission = Admission(1, 0)
        execution = made()
        life = asyncio.create_task(execution.run(admission.admit(ME, execution.queued), backend))
        async with asyncio.timeout(ENOUGH_S):
            await begun.wait()
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            may_go.set()
            while not cell.is_gone or admission.running:
                await asyncio.sleep(0.001)

    asyncio.run(scenario())


def test_what_was_compiled_is_not_begun_again_where_its_cell_dies() -> None:
    died = CellDied("start the program", "the cell died")
    spare = Cell(Exit(0, None))
    assert result_of(made(COMPILED), Cell(Exit(0, None), died), spare).verdict == "internal_error"
    assert not spare.specs


def test_what_could_not_be_compiled_is_not_run() -> None:
    cell = Cell(Exit(1, None))
    assert result_of(made(COMPILED), cell).verdict == "compilation_error"
    assert len(cell.specs) == 1


def test_files_are_asked_for_once_and_bounded() -> None:
    cell = Cell(Exit(0, None), Exit(0, None))
    assert result_of(made(COMPILED), cell).verdict == "accepted"
    assert [spec.collects for spec in cell.specs] == [None, (FILES, FILE_BYTES)]
    assert cell.asked_for == (FILES, FILE_BYTES)


def test_a_cancel_in_the_moment_a_stage_ends_lets_no_other_begin() -> None:
    execution, cell = made(COMPILED), Cell(Exit(0, None))
    cell.at_its_end = execution.cancel
    assert result_of(execution, cell).verdict == "cancelled"
    assert len(cell.specs) == 1


def test_the_first_to_cancel_is_the_one_who_is_told_of() -> None:
    execution = made()
    execution.cancel("the owner did")
    execution.cancel("the service is stopping")
    assert result_of(execution).message == "the owner did"


def test_a_program_whose_end_is_never_reported_holds_its_place_no_longer_than_a_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stages_module, "SAFETY_MARGIN_S", 0.0)
    assert result_of(made(), Cell(None)).verdict == "internal_error"


def test_a_kill_whose_end_is_never_reported_holds_its_place_no_longer_than_a_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution_module, "KILL_TIMEOUT_S", 0.0)
    long = replace(SPEC, limits=Limits(wall_time_ms=600_000))
    execution = made(replace(INTERPRETED, stages=(Stage(RUN, long),)))

    async def scenario() -> None:
        backend: Any = Backend(Cell(None))
        life = asyncio.create_task(execution.run(None, backend))
        for _ in range(20):  # until it reads what the program says
            await asyncio.sleep(0)
        execution.cancel()
        # not ``asyncio.timeout``: a cancel from outside would end it, too
        done, _ = await asyncio.wait([life], timeout=ENOUGH_S)
        assert done

    asyncio.run(scenario())
    result = execution.log.result()
    assert result is not None
    assert result.verdict == "cancelled"


def test_a_program_that_fails_gave_no_wrong_answer() -> None:
    asked = replace(REQUEST, expected_output="42")
    assert result_of(made(request=asked), Cell(Exit(1, None))).verdict == "runtime_error"
    assert result_of(made(request=asked), Cell(Exit(0, None))).verdict == "wrong_answer"


def test_what_failed_inside_is_nothing_a_client_reads() -> None:
    inside = SandboxFailure("mount /var/lib/secret", "uid 1900000042 may not")
    result = result_of(made(), failure=inside)
    assert result.verdict == "internal_error"
    assert "secret" not in result.message
    assert "uid" not in result.message
