"""Input that no program reads is told to its sender, and holds no connection without end."""

import asyncio
from typing import Any

import pytest

from owners import ME
from vibecell.engine import call_handler
from vibecell.engine.client import engine_client
from vibecell.model.errors import Conflict
from vibecell.model.events import Cancel, Stdin
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import ProcessSpec, TellPosition
from vibecell.sandbox.fake.scripted_backend import FakeBackend, FakeCell, FakeProcess

from .test_engine_daemon import engine, request, result_of


class _Deaf(FakeBackend):
    """Its programs take no input."""

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> FakeCell:
        cell: Any = await super().acquire(profile, tell)
        start = cell.start

        async def never(data: bytes) -> None:
            await asyncio.Event().wait()

        async def deaf(spec: ProcessSpec) -> FakeProcess:
            process: Any = await start(spec)
            process.write_stdin = never
            return process

        cell.start = deaf
        return cell


def test_who_writes_to_a_program_that_does_not_read_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_handler, "CONTROL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(engine_client, "REPLY_TIMEOUT_S", 15.0)
    asked = request("sleep(60)", interactive=True)
    with engine(_Deaf()) as running, running.client.submit_and_follow(asked, ME) as live:
        with pytest.raises(Conflict, match="not reading its input"):
            for _ in range(100):
                running.client.control(live.id, ME.owner, Stdin(b"x" * 64 * 1024))
        live.send(Cancel())
        assert result_of(list(live.events())).verdict == "cancelled"
