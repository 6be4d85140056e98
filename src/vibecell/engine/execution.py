"""The life of one execution, from its place in the queue to its last event.

Owns the order: wait, take a cell, run the stages, collect, finish, destroy the
cell, give the place back. Refuses to end in any other way than with exactly
one ``Finished``: whatever fails, it becomes a result, and no detail of the
platform gets into it.
"""

import asyncio
import logging
import signal

from vibecell.engine.admission import Ticket
from vibecell.engine.allowances import Claim
from vibecell.engine.event_log import EventLog
from vibecell.engine.inputs import Inputs
from vibecell.engine.plan import RENDER, Plan
from vibecell.engine.recorder import Recorder
from vibecell.engine.stages import MAX_OUTPUT_FILE_BYTES, MAX_OUTPUT_FILES, Stages
from vibecell.engine.verdict import (
    CANCELLED_MESSAGE,
    INTERNAL_ERROR_MESSAGE,
    total_usage,
)
from vibecell.model.errors import (
    Conflict,
    LimitReached,
    SandboxFailure,
    VibecellError,
    forget_frames,
)
from vibecell.model.events import (
    Cancel,
    Control,
    EndOfInput,
    Finished,
    Queued,
    Resize,
    Signal,
    Started,
    Stdin,
)
from vibecell.model.execution import (
    ExecutionRequest,
    OmittedFile,
    Outcome,
    Result,
    State,
)
from vibecell.model.language import WarmProfile
from vibecell.model.marks import SILENT, Marks
from vibecell.model.stopping import KILL_TIMEOUT_S
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import (
    NOTHING_LEFT,
    Backend,
    Cell,
    CellDied,
    Collection,
    Undelivered,
)

_LOG = logging.getLogger(__name__)


class Execution:
    """One execution and everything that may be asked of it.

    Args:
        execution_id: 128 random bits or more.
        request: what for.
        plan: how.
        log: where its events go.
        marks: where its moments are noted.
        claim: what it has of its caller's grants; ``None``: all it asks for.
    """

    def __init__(
        self,
        execution_id: str,
        request: ExecutionRequest,
        plan: Plan,
        log: EventLog,
        marks: Marks = SILENT,
        claim: Claim | None = None,
    ) -> None:
        self.id = execution_id
        self.log = log
        self.marks = marks
        self.state: State = "queued"
        self.result: Result | None = None
        self._plan = plan
        self._claim = claim or Claim()
        self._recorder = Recorder(log, keep_stdout=request.expected_output is not None)
        self._inputs = Inputs(open_=bool(request.interactive))
        self._stages = Stages(request, plan, log, self._recorder, self._inputs, self._claim, marks)
        self._cell: Cell | None = None
        self._work: asyncio.Task[Collection] | None = None
        self._cancelled: str | None = None

    def queued(self, position: int, wait_ms: int | None = None) -> None:
        """Its position in a queue, and how long it takes: for its turn, and then for a cell."""
        if not self.log.finished:
            self._recorder.event(Queued(position, wait_ms))

    async def run(self, ticket: Ticket | None, backend: Backend) -> None:
        """Live; returns when nothing of it is left but its log.

        Args:
            ticket: its place; ``None`` for a plan that needs no cell.
            backend: where cells come from.
        """
        try:
            self.result = result = await self._result(ticket, backend)
            self.state = "finished"
            # whoever has the answer may begin the next at once, however long a cell takes to end
            self._claim.release()
            self._recorder.event(Finished(result))
            self.marks.note("result")
            await self._inputs.close()
        finally:
            # The client has its answer; the place is free only when the cell is
            # gone, and nothing may interrupt that.
            await asyncio.shield(asyncio.create_task(self._clean_up(ticket)))

    async def control(self, control: Control) -> None:
        """Do what a client says; what comes after the end is ignored, but for input.

        Raises:
            Conflict: input that nobody can read any more, a signal before there is a
                program, or a control that its cell does not take.
        """
        try:
            await self._obey(control)
        except Undelivered as error:
            _LOG.warning("execution %s: a control was not delivered: %s", self.id, error)
            raise Conflict("the program cannot be reached") from error

    async def _obey(self, control: Control) -> None:
        process = self._stages.process
        match control:
            case Cancel():
                self.cancel()
            case Stdin(data):
                await self._inputs.put(data)
            case EndOfInput():
                await self._inputs.end()
            case Resize(columns, rows):
                await self._stages.resize(columns, rows)
            case Signal(name):
                if process is not None:
                    await process.send_signal(signal.Signals[name])
                elif self._stages.programs_left and self._cancelled is None:
                    raise Conflict("no program is running yet")

    def cancel(self, reason: str = CANCELLED_MESSAGE) -> None:
        """Stop it, at whatever stage it is; idempotent, returns at once."""
        if self._cancelled is not None or self.state == "finished":
            return
        self._cancelled = self._stages.why_cancelled = reason
        work = self._work
        process = self._stages.process
        if process is None:
            if work is not None:
                work.cancel()
            return
        process.kill()
        if work is not None:
            # a backend that does not report the end of what it killed is not waited for
            asyncio.get_running_loop().call_later(KILL_TIMEOUT_S, work.cancel)

    async def _result(self, ticket: Ticket | None, backend: Backend) -> Result:
        if self._cancelled is not None:
            return self._make_result(Verdict.CANCELLED, self._cancelled)
        self._work = asyncio.create_task(self._do_work(ticket, backend))
        try:
            collected = await self._work
        except asyncio.CancelledError:
            reason = self._cancelled
            if not self._work.done():
                # this task itself is being cancelled, which only a stop does
                self._work.cancel()
                reason = reason or "the service is stopping"
            self._recorder.flush()
            return self._make_result(Verdict.CANCELLED, reason or CANCELLED_MESSAGE)
        except LimitReached as error:
            # the caller's day was used up while it waited, or by a stage of its own
            self._recorder.flush()
            ended = self._stages.outcomes
            begun = f"stopped after {ended[-1].stage}" if ended else "not begun"
            return self._make_result(Verdict.CANCELLED, f"{begun}: {error}")
        except Exception as error:
            _LOG.log(
                logging.WARNING if isinstance(error, VibecellError) else logging.ERROR,
                "execution %s failed: %s",
                self.id,
                error,
                exc_info=not isinstance(error, VibecellError),
            )
            forget_frames(error)  # it is kept by the work, which is in one of them
            self._recorder.flush()
            return self._make_result(Verdict.INTERNAL_ERROR, INTERNAL_ERROR_MESSAGE)
        last = self._stages.outcomes[-1].outcome
        return self._make_result(last.verdict, last.message, collected)

    async def _do_work(self, ticket: Ticket | None, backend: Backend) -> Collection:
        if ticket is not None:
            await ticket.wait()
        self._claim.require_left()
        self.state = "running"
        self.marks.note("running")
        if self._plan.page is not None:
            self._recorder.event(Started(RENDER))
            self._recorder.show(self._plan.page)
            self._stages.ended(RENDER, Outcome(Verdict.ACCEPTED))
        if self._plan.profile is None:
            return NOTHING_LEFT
        cell = await self._take_cell(backend, self._plan.profile)
        self.marks.note("cell")
        for stage in self._plan.stages:
            if self._cancelled is not None:  # it came in the moment a stage ended
                raise asyncio.CancelledError
            limits = self._claim.limits_now(stage.spec.limits)
            try:
                process = await cell.start(self._stages.spec(stage, limits))
            except CellDied as error:
                if self._stages.outcomes or self._cancelled is not None:
                    raise
                # Nothing was heard of the program, and a cell has no other way
                # to be noticed: whatever it did is gone with its cell.
                _LOG.warning("execution %s begins again in another cell: %s", self.id, error)
                forget_frames(error)
                await cell.destroy()
                self._cell = None
                cell = await self._take_cell(backend, self._plan.profile)
                process = await cell.start(self._stages.spec(stage, limits))
            outcome = await self._stages.run(process, stage, limits)
            if outcome.verdict is not Verdict.ACCEPTED:
                self._stages.programs_left = 0
                break
        collected = await self._collect(cell)
        self.marks.note("collected")
        return collected

    async def _take_cell(self, backend: Backend, profile: WarmProfile) -> Cell:
        # Not in a task of its own, which could end with a cell in the moment of a
        # cancel, and would cost a turn of the loop where a cell is ready.
        self._cell = await backend.acquire(profile, self.queued)
        return self._cell

    async def _collect(self, cell: Cell) -> Collection:
        """Files the program left; all lost, where its cell did not survive it."""
        try:
            return await cell.collect(MAX_OUTPUT_FILES, MAX_OUTPUT_FILE_BYTES)
        except SandboxFailure as error:
            _LOG.warning("execution %s: its files were not collected: %r", self.id, error)
            forget_frames(error)
            return Collection(omitted=(OmittedFile(".", None, "lost"),), left_out=1)

    def _make_result(
        self, verdict: Verdict, message: str, collected: Collection = NOTHING_LEFT
    ) -> Result:
        kept = self._recorder.kept
        return Result(
            id=self.id,
            verdict=verdict,
            stages=tuple(self._stages.outcomes),
            stdout=kept.stdout,
            stderr=kept.stderr,
            output=kept.output,
            truncated=self._recorder.truncated,
            usage=total_usage(self._stages.outcomes),
            files=collected.files,
            omitted=collected.omitted,
            files_left_out=collected.left_out,
            displays=self._recorder.displays,
            displays_left_out=self._recorder.displays_left_out,
            warm=bool(self._stages.outcomes) and self._plan.is_warm,
            message=message,
        )

    async def _clean_up(self, ticket: Ticket | None) -> None:
        try:
            if self._cell is not None:
                self.marks.note("destroying")
                await self._cell.destroy()
                self.marks.note("destroyed")
        except Exception:
            _LOG.exception("execution %s: its cell was not destroyed", self.id)
        finally:
            if ticket is not None:
                ticket.release(total_usage(self._stages.outcomes).cpu_time_ms)
