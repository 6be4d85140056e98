"""What a result may hold, and how long its idempotency key stands: as the reference says."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from vibecell.engine.event_log import EventLog
from vibecell.engine.recorder import Recorder
from vibecell.model.errors import Conflict
from vibecell.model.events import Stream
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import ProcessSpec, TellPosition
from vibecell.sandbox.fake.scripted_backend import FakeBackend, FakeCell, FakeProcess

from .test_engine_daemon import ME, Engine, engine, request, result_of, run

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with engine() as running:
        yield running


def test_a_result_has_two_mebibytes_of_output_and_the_events_all_of_it(shared: Engine) -> None:
    events = run(shared.client, "flood(3000000)", limits=Limits(output_bytes=4 * MIB))
    result = result_of(events)
    assert (len(result.stdout), len(result.output), result.truncated) == (2 * MIB, 2 * MIB, True)
    assert sum(len(e.event.data) for e in events if isinstance(e.event, Stream)) == 3_000_000


def test_files_of_more_than_four_mebibytes_together_are_left_out(shared: Engine) -> None:
    code = "\n".join(f"leave('{number}.txt', '{'x' * MIB}')" for number in range(5))
    result = result_of(run(shared.client, code))
    assert [len(file.content) for file in result.files] == [MIB] * 4
    assert result.files_left_out == 1


def test_more_than_sixty_four_files_are_left_out(shared: Engine) -> None:
    code = "\n".join(f"leave('{number}.txt', 'x')" for number in range(70))
    result = result_of(run(shared.client, code))
    assert (len(result.files), result.files_left_out) == (64, 6)


class _Watched(FakeBackend):
    """Notes what its cells are told with a start."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[ProcessSpec] = []

    async def acquire(self, profile: WarmProfile, queued: TellPosition) -> FakeCell:
        cell = await super().acquire(profile, queued)
        start = cell.start

        async def noted(spec: ProcessSpec) -> FakeProcess:
            self.started.append(spec)
            return await start(spec)

        cell.start = noted  # type: ignore[method-assign]
        return cell


def test_the_cell_itself_is_told_to_bring_no_more_files_than_that() -> None:
    backend = _Watched()
    with engine(backend) as running:
        run(running.client, "print(1)")
    assert [spec.collects for spec in backend.started] == [(64, 4 * MIB)]


def test_a_program_that_prints_fast_waits_in_its_log_not_beside_it() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        for number in range(1, 101):  # the loop has no turn: no window is over
            recorder.output("stdout", b"x" * 10_000)
            assert number * 10_000 - log.size_bytes < 128 * 1024

    asyncio.run(scenario())


def test_an_idempotency_key_is_free_again_when_its_result_is_forgotten() -> None:
    first, second = request("print(1)"), request("print(2)")
    with engine(result_ttl_s=2.0) as running:
        client = running.client
        with client.submit_and_follow(first, ME, "key") as live:
            assert result_of(list(live.events())).stdout == b"1\n"
        with pytest.raises(Conflict):
            client.submit(second, ME, "key")
        time.sleep(2.1)
        with client.submit_and_follow(second, ME, "key") as again:
            assert again.id != live.id
            assert result_of(list(again.events())).stdout == b"2\n"
        assert client.submit(second, ME, "key").replayed
