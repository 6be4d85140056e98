"""The stages of one execution, each run from its first byte of output to its verdict.

Owns what a cell is told of a stage, the program that runs, how what it says is read, recorded,
charged and judged, and its terminal's size. Refuses to choose which stage comes next, and to take
and destroy cells: ``execution.py`` does.
"""

import asyncio
from dataclasses import replace

from vibecell.engine.allowances import Claim
from vibecell.engine.event_log import EventLog
from vibecell.engine.inputs import Inputs
from vibecell.engine.plan import Plan, Stage
from vibecell.engine.recorder import Recorder
from vibecell.engine.usage_telling import UsageTelling
from vibecell.engine.verdict import judge, matches_expected, usage_of
from vibecell.model.errors import SandboxFailure
from vibecell.model.events import Exited, Started
from vibecell.model.execution import ExecutionRequest, Outcome, StageOutcome
from vibecell.model.limits import Limits
from vibecell.model.marks import Marks
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import (
    DisplayData,
    DisplayLeftOut,
    Exit,
    Output,
    Process,
    ProcessSpec,
)
from vibecell.sandbox.bounds import END_GRACE_S

MAX_OUTPUT_FILES = 64
MAX_OUTPUT_FILE_BYTES = 4 * 1024 * 1024
# Beyond the wall limit, which the backend enforces; beyond a kill: ``KILL_TIMEOUT_S``. Both are a
# defence against whoever has taken a zygote and keeps the socket of a cell open that has ended.
SAFETY_MARGIN_S = END_GRACE_S + 9.0


class Stages:
    """Runs the stages of one execution, one at a time.

    Args:
        request: what for.
        plan: which they are.
        log: whose fault ends a stage.
        recorder: of what they say.
        inputs: of the interactive one.
        claim: what they are charged to.
        marks: where their moments are noted.

    Attributes:
        process: the program that runs; ``None``: none does.
        programs_left: stages that have not begun and may.
        outcomes: of those that have ended, in their order.
        why_cancelled: told with the outcome of a program that was; no call back to the execution,
            which would keep all of it for the collector.
    """

    def __init__(
        self,
        request: ExecutionRequest,
        plan: Plan,
        log: EventLog,
        recorder: Recorder,
        inputs: Inputs,
        claim: Claim,
        marks: Marks,
    ) -> None:
        self.process: Process | None = None
        self.programs_left = len(plan.stages)
        self.outcomes: list[StageOutcome] = []
        self._plan, self._log, self._marks = plan, log, marks
        self._recorder, self._inputs, self._claim = recorder, inputs, claim
        self.why_cancelled: str | None = None
        self._expected = request.expected_output
        self._telling = UsageTelling(request.usage_interval_ms, recorder.event)
        self._terminal_size: tuple[int, int] | None = None
        self._told_size: tuple[int, int] | None = None

    async def resize(self, columns: int, rows: int) -> None:
        """The terminal has this size from now on, of later stages as well."""
        self._terminal_size = (columns, rows)
        if self.process is not None:
            await self.process.resize(columns, rows)

    def spec(self, stage: Stage, limits: Limits) -> ProcessSpec:
        """What a cell is told to begin a stage within these limits."""
        spec = stage.spec
        if limits != spec.limits:
            spec = replace(spec, limits=limits)
        if stage is self._plan.stages[-1]:
            spec = replace(spec, collects=(MAX_OUTPUT_FILES, MAX_OUTPUT_FILE_BYTES))
        spec = replace(spec, marks=self._marks)
        self._told_size = self._terminal_size
        if self._terminal_size is None:
            return spec
        columns, rows = self._terminal_size
        return replace(spec, columns=columns, rows=rows)

    async def run(self, process: Process, stage: Stage, limits: Limits) -> Outcome:
        """Read a program to its end, and judge it.

        Args:
            process: just begun, by what ``spec`` said.
            stage: which it is.
            limits: that it was begun with.

        Raises:
            SandboxFailure: its end could not be learnt.
        """
        spec = stage.spec
        exit_: Exit | None = None
        self.process = process
        self.programs_left -= 1
        self._recorder.begin_stage(stage.name)
        self._recorder.event(Started(stage.name))
        self._telling.begin(stage.name, process)
        feeding = asyncio.create_task(self._inputs.feed(process)) if spec.interactive else None
        try:
            if self._terminal_size not in (None, self._told_size):  # it changed meanwhile
                await process.resize(*self._terminal_size)
            async with asyncio.timeout(spec.limits.wall_time_ms / 1000 + SAFETY_MARGIN_S):
                exit_ = await self._read(process)
        except TimeoutError as error:
            raise SandboxFailure("stop the program at its time limit") from error
        finally:
            self.process = None
            self._telling.end()
            self._claim.charge(usage_of(exit_) if exit_ else process.usage_now(), limits)
            if feeding is not None:
                feeding.cancel()
                # a failure to feed is the death of the cell, which reading reports
                await asyncio.gather(feeding, return_exceptions=True)
        self._recorder.flush(cut=exit_.truncated)
        outcome = self._judged(exit_, stage, limits)
        self.ended(stage.name, outcome)
        return outcome

    async def _read(self, process: Process) -> Exit:
        ended: Exit | None = None
        # to its own end, which follows the Exit: a generator that is left before
        # costs the loop a task to close it
        async for occurrence in process.read():
            match occurrence:
                case Output(name, data):
                    self._marks.note_first("output")
                    self._recorder.output(name, data)
                case Exit():
                    self._marks.note("exit")
                    ended = occurrence
                case DisplayData(data):
                    self._recorder.display(data)
                case DisplayLeftOut():
                    self._recorder.display_left_out()
            if self._log.fault is not None:
                raise self._log.fault
        if ended is None:
            raise SandboxFailure("learn how the program ended")
        return ended

    def _judged(self, exit_: Exit, stage: Stage, limits: Limits) -> Outcome:
        outcome = judge(exit_, limits, stage.name, self._recorder.tail, stage.spec.limits)
        cancelled = self.why_cancelled
        if outcome.verdict is Verdict.CANCELLED and cancelled is not None:
            return replace(outcome, message=cancelled)
        compared = (
            self._expected is not None
            and stage is self._plan.stages[-1]
            and outcome.verdict is Verdict.ACCEPTED
        )
        if compared and not matches_expected(self._recorder.whole_stdout, self._expected or ""):
            message = "the output is not the expected one"
            return replace(outcome, verdict=Verdict.WRONG_ANSWER, message=message)
        return outcome

    def ended(self, name: str, outcome: Outcome) -> None:
        """A stage has this outcome."""
        self.outcomes.append(StageOutcome(name, outcome))
        self._recorder.event(Exited(name, outcome))
