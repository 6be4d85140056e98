"""What was executed, audited.

Owns which facts of an end are audited, and when they are written: about once a second and at the
end, in a thread of its own, since a disk may be slow. Refuses code and output: it is told a hash
and sizes. An execution is audited when it has ended, so an engine that is killed leaves nothing of
those that ran, nor of those that ended in its last second.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vibecell.engine.witnesses import Ended
from vibecell.model.measures import Measured
from vibecell.sharing.audit import AuditRecord, Executed
from vibecell.sharing.audit_trail import WRITE_INTERVAL_S, AuditTrail


class Auditing:
    """Audits the executions of one engine; a ``Witness``."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._thread = ThreadPoolExecutor(1, "audit")
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def ended(self, ended: Ended) -> None:
        """See ``Witness.ended``."""
        provenance, result = ended.provenance, ended.result
        executed = Executed(
            id=ended.id,
            language=ended.language,
            sha256=ended.source.sha256,
            size_bytes=ended.source.size_bytes,
            files=ended.source.files,
            begun_at_us=ended.begun_at_us,
            verdict=result.verdict,
            usage=result.usage,
            place=ended.place,
        )
        self._trail.note(
            AuditRecord(
                at_us=self._trail.now_us(),
                act="execution",
                key=ended.owner.key,
                user=ended.owner.user,
                credential=provenance.credential,
                address=provenance.address,
                request_id=provenance.request_id,
                execution=executed,
            )
        )

    def require_possible(self) -> None:
        """Raise ``StoreUnavailable`` where nothing new may begin, as ``AuditTrail`` says."""
        self._trail.require_possible()

    def counts(self) -> dict[str, int]:
        """What became of acts, by name."""
        return self._trail.counts()

    def measured(self) -> tuple[Measured, ...]:
        """The same, for who operates the service."""
        return self._trail.measured("engine")

    async def open(self) -> None:
        """Write from now on.

        Raises:
            StoreUnavailable: an audit is required, and cannot be written.
        """
        if self._trail.bounds.required:
            await self._in_thread(self._trail.open)
        self._writing = asyncio.create_task(self._write_for_ever())

    async def close(self) -> None:
        """Write the rest, and let go of the store."""
        self._closing.set()
        if self._writing is not None:
            await self._writing
            await self._in_thread(self._trail.close)
        self._thread.shutdown(wait=False)

    async def _write_for_ever(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_INTERVAL_S):
                    await self._closing.wait()
            await self._in_thread(self._trail.write)

    async def _in_thread(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call)
