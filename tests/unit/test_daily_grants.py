"""Grants of keys and users, on a real engine over the fake backend."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from owners import wait_for_a_day
from vibecell.config import Settings
from vibecell.engine.allowances import Allowances
from vibecell.engine.client import EngineClient
from vibecell.engine.daemon import run_engine
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import COMPILE, RUN, Plan, Stage
from vibecell.model.caller import Account, Grant, Owner
from vibecell.model.errors import LimitReached, PlatformError, QueueFull, UnsupportedLanguage
from vibecell.model.events import Cancel, Stream
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.model.limits import Limits
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import ProcessSpec, TellPosition
from vibecell.sandbox.fake.scripted_backend import FakeBackend, FakeCell
from vibecell.sharing.ledger import Ledger, LedgerStore
from vibecell.sharing.memory_ledger import MemoryLedger
from vibecell.sharing.sqlite_ledger import FILE_NAME, SqliteLedger

PYTHON = Language(
    "python",
    "Python",
    "3.11",
    (),
    "main.py",
    "in_place",
    ("python3", "{entrypoint}"),
    profiles=(WarmProfile("python-light"),),
)
SHOP, ANN, BOB = Owner("shop"), Owner("shop", "ann"), Owner("shop", "bob")
FOR_EVER = "while True: pass"


class EngineInAThread:
    def __init__(self, settings: Settings, store: LedgerStore, backend: FakeBackend) -> None:
        self._settings = settings
        self._backend = backend
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live)
        self.client = EngineClient(settings.engine_socket)
        self.refusal: PlatformError | None = None

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(
                run_engine(
                    self._settings, self._backend, Offer((PYTHON,)), self._stop, store=self._store
                )
            )
        except PlatformError as error:
            self.refusal = error
        finally:
            self._loop.close()

    def start(self) -> None:
        self._thread.start()
        while self._thread.is_alive() and not self._settings.engine_socket.exists():
            time.sleep(0.005)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()


@contextmanager
def engine(
    store: LedgerStore | None = None,
    max_concurrent: int = 4,
    max_per_owner: int = 1024,
    backend: FakeBackend | None = None,
) -> Iterator[EngineClient]:
    with tempfile.TemporaryDirectory(prefix="vc") as folder:
        settings = Settings(
            run_dir=Path(folder),
            backend="fake",
            max_concurrent=max_concurrent,
            max_per_owner=max_per_owner,
        )
        running = EngineInAThread(settings, store or MemoryLedger(), backend or FakeBackend())
        running.start()
        try:
            if running.refusal is not None:
                raise running.refusal
            yield running.client
        finally:
            running.stop()


class CountingBackend(FakeBackend):
    """Counts the cells that it gave away."""

    taken = 0

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> FakeCell:
        self.taken += 1
        return await super().acquire(profile, tell)


def request(code: str, language: str = "python", **limits: int) -> ExecutionRequest:
    source = (SourceFile("main.py", code.encode()),)
    return ExecutionRequest(language, source, limits=Limits(**limits))


def result(client: EngineClient, account: Account, code: str, **limits: int) -> Result:
    return client.submit_and_wait(request(code, **limits), account).result()


def begin(client: EngineClient, account: Account, code: str = FOR_EVER) -> str:
    return client.submit(request(code), account).id


@pytest.fixture(autouse=True)
def day() -> None:
    """What is used up by one is so still when it is looked at."""
    wait_for_a_day()


def test_executions_at_once_are_bounded_for_a_key_and_for_a_user() -> None:
    grants = {"key_grant": Grant(concurrent=3), "user_grant": Grant(concurrent=2)}
    with engine(max_concurrent=1) as client:  # who waits counts, too
        for _ in range(2):
            begin(client, Account(ANN, **grants))
        with pytest.raises(LimitReached, match="the user's") as caught:
            begin(client, Account(ANN, **grants))
        assert caught.value.retry_after_s >= 1
        begin(client, Account(BOB, **grants))
        with pytest.raises(LimitReached, match="the key's"):
            begin(client, Account(Owner("shop", "eve"), **grants))
        begin(client, Account(Owner("other", "ann"), **grants))


def test_the_deployments_bound_is_of_a_key_whoever_its_users_are() -> None:
    with engine(max_per_owner=2) as client:
        begin(client, Account(ANN))
        begin(client, Account(BOB))
        with pytest.raises(QueueFull):
            begin(client, Account(SHOP))
        begin(client, Account(Owner("other")))


def test_a_request_that_is_refused_for_another_reason_leaves_its_place() -> None:
    account = Account(ANN, key_grant=Grant(concurrent=1))
    with engine() as client:
        for _ in range(3):
            with pytest.raises(UnsupportedLanguage):
                client.submit(request("1", language="none"), account)
        assert result(client, account, "print(1)").verdict is Verdict.ACCEPTED


class SlowToEnd(FakeCell):
    """A cell that takes its time to be gone."""

    async def destroy(self) -> None:
        if not self.destroyed:
            await asyncio.sleep(0.2)
        await super().destroy()


def test_who_has_the_answer_may_begin_the_next_at_once() -> None:
    grant = Grant(concurrent=1, output_bytes_per_day=100)  # less than is reserved at first
    account = Account(ANN, key_grant=grant, user_grant=grant)
    backend = FakeBackend()
    backend.make_cell = SlowToEnd
    with engine(backend=backend) as client:
        for _ in range(4):
            assert result(client, account, "print(1)").verdict is Verdict.ACCEPTED


def test_an_execution_is_charged_whatever_its_end() -> None:
    account = Account(ANN, key_grant=Grant(cpu_ms_per_day=1_000_000))
    store = MemoryLedger()
    ends = (
        ("work(0.1)", Verdict.ACCEPTED),
        ("work(0.2)\nexit(3)", Verdict.RUNTIME_ERROR),
        ("work(5)", Verdict.TIME_LIMIT_EXCEEDED),
        ("work(0.3)\ndie()", Verdict.INTERNAL_ERROR),
        ("work(0.4)\nuse_memory()", Verdict.MEMORY_LIMIT_EXCEEDED),
    )
    with engine(store) as client:
        for code, verdict in ends:
            assert result(client, account, code, cpu_time_ms=2000).verdict is verdict
        follows = client.submit_and_follow(request(f"work(0.5)\nprint(1)\n{FOR_EVER}"), account)
        with follows as conversation:
            for event in conversation.events():
                if isinstance(event.event, Stream):
                    conversation.send(Cancel())
    entries = store.load(0)
    # each has one millisecond of the fake's own
    used_ms = 101 + 201 + 2000 + 301 + 401 + 501
    assert sum(entry.spent.cpu_us for entry in entries) == used_ms * 1000
    assert {entry.owner for entry in entries} == {SHOP}


def test_a_day_that_is_used_up_refuses_with_the_time_until_midnight() -> None:
    account = Account(ANN, user_grant=Grant(cpu_ms_per_day=1000, output_bytes_per_day=100))
    with engine() as client:
        assert result(client, account, "work(0.6)").verdict is Verdict.ACCEPTED
        last = result(client, account, "work(0.6)")
        assert last.verdict is Verdict.TIME_LIMIT_EXCEEDED
        assert last.message.endswith("no more processor time of the day was left")
        with pytest.raises(LimitReached, match="the user's processor time") as caught:
            begin(client, account)
        left_s = 86_400 - time.time() % 86_400
        assert abs((caught.value.retry_after_s - left_s) % 86_400) < 10
        bob = Account(BOB, user_grant=account.user_grant)
        flooded = result(client, bob, "flood(1000)")
        assert flooded.verdict is Verdict.OUTPUT_LIMIT_EXCEEDED
        assert len(flooded.stdout) == 100
        assert flooded.message.endswith("no more output of the day was left")
        with pytest.raises(LimitReached, match="the user's output"):
            begin(client, bob)


def test_who_waits_while_the_day_is_used_up_ends_unbegun_and_is_told_why() -> None:
    account = Account(ANN, key_grant=Grant(cpu_ms_per_day=1000))
    backend = CountingBackend()
    with engine(max_concurrent=1, backend=backend) as client:
        first = client.submit_and_wait(request("sleep(0.2)\nwork(1)"), account)
        waiting = [client.submit_and_wait(request("print(1)"), account) for _ in range(3)]
        assert first.result().verdict is Verdict.TIME_LIMIT_EXCEEDED
        for pending in waiting:
            ended = pending.result()
            assert ended.verdict is Verdict.CANCELLED
            assert ended.message.startswith("not begun: the key's processor time of the day")
            assert ended.stages == ()
    assert backend.taken == 1  # no cell was for them


def test_a_stage_for_which_nothing_is_left_is_told_by_the_one_before() -> None:
    async def scenario() -> Result | None:
        account = Account(ANN, key_grant=Grant(output_bytes_per_day=2))
        asked, log, backend = request("print(1)"), EventLog(), FakeBackend()
        await backend.open()
        spec = ProcessSpec("in_place", "main.py", (), files=asked.files)
        stages = (Stage(COMPILE, spec), Stage(RUN, spec))
        plan = Plan("python", PYTHON.profiles[0], stages)
        claim = Allowances(Ledger(), lambda: 1).claim(account, asked.limits)
        await Execution("id", asked, plan, log, claim=claim).run(None, backend)
        return log.result()

    ended = asyncio.run(scenario())
    assert ended is not None and ended.verdict is Verdict.CANCELLED
    assert [stage.stage for stage in ended.stages] == [COMPILE]
    assert ended.stdout == b"1\n"
    assert ended.message.startswith("stopped after compile: the key's output of the day (2 bytes)")


def test_a_new_engine_knows_the_day(tmp_path: Path) -> None:
    account = Account(ANN, key_grant=Grant(cpu_ms_per_day=500), user_grant=Grant(concurrent=9))
    for verdict in (Verdict.ACCEPTED, Verdict.TIME_LIMIT_EXCEEDED):
        with engine(SqliteLedger(tmp_path / "usage")) as client:
            assert result(client, account, "work(0.3)").verdict is verdict
    with engine(SqliteLedger(tmp_path / "usage")) as client, pytest.raises(LimitReached):
        begin(client, account)


def test_an_engine_does_not_start_with_a_ledger_that_it_cannot_read(tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(b"no database\n" * 1000)
    with (
        pytest.raises(PlatformError, match="open the ledger of usage"),
        engine(SqliteLedger(folder)),
    ):
        pass
