"""A line of the log for each execution that has ended.

Owns what the line says; refuses to say anything of what was run but its language, hash and
size, and of what came of it but sizes, times and the verdict.
"""

import logging
from collections.abc import Mapping

from vibecell.engine.witnesses import Ended
from vibecell.model.caller import CredentialKind
from vibecell.model.log_event import LogEvent, record
from vibecell.model.marks import Moment

_LOG = logging.getLogger(__name__)
_NS_PER_MS = 1_000_000


class ExecutionLine(LogEvent, tag="execution", frozen=True, kw_only=True):
    """An execution has ended, and nothing is left of its cell.

    Attributes:
        execution_id: by which clients know it.
        request_id: of the request that began it.
        key_id: of the key on whose behalf it ran.
        user: of that key's users.
        address: for whom it was asked.
        credential: what was shown: `anonymous`, `key`, `token` or `ticket`.
        language: canonical name.
        place: where its cell was, as the settings call it; empty for the default one.
        verdict: how it ended.
        exit_code: of the stage reached last.
        signal: that ended it, as `SIGKILL`.
        waited_ms: from its admission to its turn.
        start_ms: from its turn until its program was started.
        first_output_ms: from then until its first output was heard.
        run_ms: from then until its program's end was heard.
        total_ms: from its call until its result stood.
        cpu_ms: processor time, of all stages.
        memory_bytes: the most that was used.
        output_bytes: of stdout, stderr and displays.
        warm: whether an interpreter that had been started ahead ran it.
        source_sha256: of every file's path and content.
        source_bytes: of all files.
    """

    execution_id: str
    request_id: str | None = None
    key_id: str
    user: str | None = None
    address: str | None = None
    credential: CredentialKind | None = None
    language: str
    place: str | None = None
    verdict: str
    exit_code: int | None = None
    signal: str | None = None
    waited_ms: float | None = None
    start_ms: float | None = None
    first_output_ms: float | None = None
    run_ms: float | None = None
    total_ms: float | None = None
    cpu_ms: float | None = None
    memory_bytes: int | None = None
    output_bytes: int
    warm: bool
    source_sha256: str
    source_bytes: int


class ExecutionLog:
    """The ``Witness`` that logs."""

    def ended(self, ended: Ended) -> None:
        """One has ended."""
        if _LOG.isEnabledFor(logging.INFO):
            record(_LOG, logging.INFO, line_of(ended))


def line_of(ended: Ended) -> ExecutionLine:
    """What is said of one execution."""
    result, provenance, at_ns = ended.result, ended.provenance, ended.moments_ns
    outcome, cpu_ms = result.last_outcome, result.usage.cpu_time_ms
    return ExecutionLine(
        execution_id=ended.id,
        request_id=provenance.request_id,
        key_id=ended.owner.key,
        user=ended.owner.user,
        address=provenance.address,
        credential=provenance.credential,
        language=ended.language,
        place=ended.place,
        verdict=result.verdict.value,
        exit_code=None if outcome is None else outcome.exit_code,
        signal=None if outcome is None else outcome.signal,
        waited_ms=_between_ms(at_ns, "admitted", "running"),
        start_ms=_between_ms(at_ns, "running", "started"),
        first_output_ms=_between_ms(at_ns, "started", "output"),
        run_ms=_between_ms(at_ns, "started", "exit"),
        total_ms=_between_ms(at_ns, "call", "result"),
        cpu_ms=None if cpu_ms is None else round(cpu_ms, 3),
        memory_bytes=result.usage.memory_bytes,
        output_bytes=result.usage.output_bytes,
        warm=result.warm,
        source_sha256=ended.source.sha256,
        source_bytes=ended.source.size_bytes,
    )


def _between_ms(at_ns: Mapping[Moment, int], first: Moment, last: Moment) -> float | None:
    """Between two moments, to the microsecond; ``None`` where one of them never came."""
    if first not in at_ns or last not in at_ns:
        return None
    return round((at_ns[last] - at_ns[first]) / _NS_PER_MS, 3)
