"""What is counted of executions, as they end.

Owns the numbers; refuses labels that a client chooses: languages are those that are offered,
by their canonical names, and whoever asked is told by the kind of what he showed.
"""

from collections.abc import Mapping

from vibecell.engine.witnesses import Ended
from vibecell.model import families
from vibecell.model.errors import VibecellError
from vibecell.model.marks import Moment
from vibecell.model.measures import Measured, Tally
from vibecell.model.verdicts import Verdict

#: Of ``model/errors.py``, as they are told.
_REASONS = (
    "queue_full",
    "limit_reached",
    "shutting_down",
    "store_unavailable",
    "invalid_request",
    "unsupported_language",
    "conflict",
)
#: Of a cell's life with its execution, and of which moments one has been reached and the other
#: has not where the cell is lost in it.
_STEPS: tuple[tuple[str, Moment, Moment], ...] = (
    ("make", "running", "cell"),
    ("start", "cell", "started"),
    ("run", "started", "exit"),
)
_LOST_FILES = "lost"


class ExecutionTallies:
    """See ``witnesses.Witness``."""

    def __init__(self) -> None:
        self._ended = Tally(families.EXECUTIONS)
        self._refused = Tally(families.REFUSALS, [(reason,) for reason in _REASONS])
        self._queue = Tally(families.QUEUE_SECONDS)
        self._start = Tally(families.START_SECONDS)
        self._first_output = Tally(families.FIRST_OUTPUT_SECONDS)
        self._run = Tally(families.RUN_SECONDS)
        self._processor = Tally(families.PROCESSOR_SECONDS)
        self._memory = Tally(families.MEMORY_BYTES)
        self._output = Tally(families.OUTPUT_BYTES)
        self._lost = Tally(
            families.CELLS_LOST,
            [
                (step, families.DEFAULT_PLACE)
                for step in (*(each[0] for each in _STEPS), "collect", "destroy")
            ],
        )

    def refused(self, error: VibecellError) -> None:
        """An execution was not accepted."""
        self._refused.add(_snake(type(error).__name__))

    def ended(self, ended: Ended) -> None:
        """See ``Witness.ended``."""
        language, usage = ended.language, ended.result.usage
        place = families.NO_PLACE
        if ended.place is not None:
            place = ended.place or families.DEFAULT_PLACE
        credential = ended.provenance.credential or families.NO_CREDENTIAL
        self._ended.add(language, ended.result.verdict.value, place, credential)
        if ended.place is None:
            return
        moments = ended.moments_ns
        _observe(self._queue, moments, "admitted", "running")
        _observe(self._start, moments, "running", "started", place)
        _observe(self._first_output, moments, "admitted", "output", place)
        if "started" in moments:
            self._run.observe(usage.wall_time_ms / 1e3, language)
            self._processor.add(language, by=(usage.cpu_time_ms or 0.0) / 1e3)
            self._output.add(language, by=usage.output_bytes)
            if usage.memory_bytes is not None:
                self._memory.observe(usage.memory_bytes, language)
        if (step := _lost_in(ended)) is not None:
            self._lost.add(step, place)

    def measured(self) -> tuple[Measured, ...]:
        """All of it."""
        tallies = (
            self._ended,
            self._refused,
            self._queue,
            self._start,
            self._first_output,
            self._run,
            self._processor,
            self._memory,
            self._output,
            self._lost,
        )
        return tuple(tally.measured() for tally in tallies)


def _observe(
    tally: Tally, moments: Mapping[Moment, int], first: Moment, last: Moment, *labels: str
) -> None:
    """How long it took from one moment to another, where both were reached."""
    if first in moments and last in moments:
        tally.observe((moments[last] - moments[first]) / 1e9, *labels)


def _lost_in(ended: Ended) -> str | None:
    """The step in which an execution lost its cell, if it did."""
    moments = ended.moments_ns
    if ended.result.verdict is Verdict.INTERNAL_ERROR:
        for step, reached, not_reached in _STEPS:
            if reached in moments and not_reached not in moments:
                return step
    if any(omitted.reason == _LOST_FILES for omitted in ended.result.omitted):
        return "collect"
    if "destroying" in moments and "destroyed" not in moments:
        return "destroy"
    return None


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
