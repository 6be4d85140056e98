"""Who is turned away, and when it is told to come back."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from owners import ME
from vibecell.config import Settings
from vibecell.engine import admission as admission_module
from vibecell.engine.admission import MAX_RETRY_AFTER_S, Admission
from vibecell.engine.executions import Executions
from vibecell.model.errors import QueueFull, ShuttingDown
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.sandbox.fake.scripted_backend import FakeBackend

REQUEST = ExecutionRequest("x", (SourceFile("main", b""),))
OFFER = Offer((Language("x", "X", "1", (), "main", "exec", profiles=(WarmProfile("x"),)),))


def test_the_hint_tells_of_seconds_and_never_of_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(admission_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    async def scenario() -> None:
        admission = Admission(1, 0)
        ticket = admission.admit(ME, lambda *_: None)
        with pytest.raises(QueueFull) as early:
            admission.admit(ME, lambda *_: None)
        now_s[0] += 3600  # whoever has the place has it for an hour
        ticket.release()
        admission.admit(ME, lambda *_: None)
        with pytest.raises(QueueFull) as late:
            admission.admit(ME, lambda *_: None)
        assert early.value.retry_after_s == 1
        assert late.value.retry_after_s == MAX_RETRY_AFTER_S

    asyncio.run(scenario())


def test_nothing_begins_while_the_service_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = Settings(run_dir=tmp_path, state_dir=tmp_path, backend="fake")
        backend = FakeBackend()
        await backend.open()
        executions = Executions(settings, backend, OFFER)
        executions.admit(REQUEST, ME, None)
        await executions.stop()
        with pytest.raises(ShuttingDown):
            executions.admit(REQUEST, ME, None)
        assert executions.counts()["running"] == 0
        await backend.close()

    asyncio.run(scenario())
