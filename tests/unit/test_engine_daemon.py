"""The engine on a real socket, over the fake backend: laws, cancel, stop, hostility."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

import vibecell
from owners import ANOTHER, ME, YOU
from vibecell.config import Settings
from vibecell.engine.client import EngineClient
from vibecell.engine.daemon import run_engine
from vibecell.engine.stages import MAX_OUTPUT_FILES
from vibecell.executor import Executor
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import (
    Conflict,
    EngineUnavailable,
    InvalidRequest,
    PlatformError,
    QueueFull,
    SandboxFailure,
    UnknownExecution,
    UnsupportedLanguage,
)
from vibecell.model.events import (
    Cancel,
    Control,
    Display,
    EndOfInput,
    Exited,
    Finished,
    NumberedEvent,
    Queued,
    Resize,
    Signal,
    Started,
    Stdin,
    Stream,
)
from vibecell.model.execution import ExecutionRequest, OmittedFile, Result, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.model.limits import Limits
from vibecell.model.status import Listing, Selection, Standing
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import Collection, ProcessSpec
from vibecell.sandbox.fake.scripted_backend import FakeBackend, FakeCell, FakeProcess
from vibecell.wire import link as wire

from .link_messages import framed, messages

CATALOGUE = {
    "python": Language(
        "python",
        "Python",
        "3.11",
        ("py",),
        "main.py",
        "in_place",
        ("python3", "{entrypoint}"),
        profiles=(WarmProfile("python-light"),),
    ),
    "html": Language("html", "HTML", "5", (), "index.html", "page"),
}
NEWER = replace(CATALOGUE["python"], version="3.13")
BASH = Language("bash", "Bash", "5.2", ("sh",), "main.sh", "exec", profiles=(WarmProfile("shell"),))
OFFER = Offer(tuple(CATALOGUE.values()), {"newer": (NEWER, BASH), "empty": ()})


class Engine:
    """An engine in a thread of this process."""

    def __init__(self, settings: Settings, backend: FakeBackend) -> None:
        self.settings = settings
        self.backend = backend
        self.client = EngineClient(settings.engine_socket)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(
                run_engine(self.settings, self.backend, OFFER, self._stop)
            )
        finally:
            self._loop.close()

    def start(self) -> None:
        self._thread.start()
        until(self.settings.engine_socket.exists)

    def ask_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.ask_to_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def raw(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(10)
        link.connect(str(self.settings.engine_socket))
        return link


def until(condition: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.005)


@contextmanager
def engine(backend: FakeBackend | None = None, **changed: object) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="vc") as folder:
        base = Settings(
            run_dir=Path(folder), state_dir=Path(folder), backend="fake", max_concurrent=4
        )
        running = Engine(replace(base, **changed), backend or FakeBackend())  # type: ignore[arg-type]
        running.start()
        try:
            yield running
        finally:
            running.stop()
            assert running.backend.live_cells == 0
            assert os.listdir(folder) == ["engine.lock"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with engine() as running:
        yield running


def request(code: str, **more: object) -> ExecutionRequest:
    return ExecutionRequest("python", (SourceFile("main.py", code.encode()),), **more)  # type: ignore[arg-type]


def run(client: Executor, code: str, **more: object) -> list[NumberedEvent]:
    with client.submit_and_follow(request(code, **more), ME) as conversation:
        return list(conversation.events())


def result_of(events: list[NumberedEvent]) -> Result:
    assert [e.seq for e in events] == list(range(events[0].seq, events[0].seq + len(events)))
    ends = [e.event for e in events if isinstance(e.event, Finished)]
    assert len(ends) == 1
    assert events[-1].event is ends[0]
    return ends[0].result


def test_a_program_is_run(shared: Engine) -> None:
    events = run(shared.client, "print(6 * 7)\nleave('a.txt', 'b')")
    kinds = [type(e.event) for e in events]
    assert kinds == [Started, Stream, Exited, Finished]
    result = result_of(events)
    assert (result.verdict, result.stdout, result.message) == (Verdict.ACCEPTED, b"42\n", "")
    assert [(f.path, f.content) for f in result.files] == [("a.txt", b"b")]
    assert result.stages[0].outcome.exit_code == 0


def test_files_that_do_not_fit_are_counted(shared: Engine) -> None:
    code = "\n".join(f"leave('{number}.txt', 'x')" for number in range(MAX_OUTPUT_FILES + 3))
    result = result_of(run(shared.client, code))
    assert (len(result.files), result.files_left_out) == (MAX_OUTPUT_FILES, 3)


@pytest.mark.parametrize(
    ("code", "more", "verdict"),
    [
        ("exit(3)", {}, "runtime_error"),
        ("signal(11)", {}, "runtime_error"),
        ("while True: pass", {"limits": Limits(wall_time_ms=50)}, "time_limit_exceeded"),
        ("use_cpu()", {}, "time_limit_exceeded"),
        ("use_memory()", {}, "memory_limit_exceeded"),
        ("use_processes()", {}, "process_limit_exceeded"),
        ("use_workspace()", {}, "workspace_limit_exceeded"),
        ("flood(5000)", {"limits": Limits(output_bytes=1000)}, "output_limit_exceeded"),
        ("print(1)", {"expected_output": "1"}, "accepted"),
        ("print(1)", {"expected_output": "2"}, "wrong_answer"),
        ("print(1)\nexit(1)", {"expected_output": "1"}, "runtime_error"),
        ("die()", {}, "internal_error"),
    ],
)
def test_every_verdict(shared: Engine, code: str, more: dict[str, object], verdict: str) -> None:
    assert result_of(run(shared.client, code, **more)).verdict == verdict


def test_partial_output_is_kept_when_the_cell_dies(shared: Engine) -> None:
    result = result_of(run(shared.client, "print('before')\nsleep(0.05)\ndie()"))
    assert (result.verdict, result.stdout) == (Verdict.INTERNAL_ERROR, b"before\n")
    assert "told" not in result.message


def test_output_up_to_the_limit_is_kept(shared: Engine) -> None:
    events = run(shared.client, "flood(5000)", limits=Limits(output_bytes=1000))
    assert result_of(events).stdout == b"x" * 1000
    assert result_of(events).truncated


def test_a_page_is_shown(shared: Engine) -> None:
    page = ExecutionRequest("html", (SourceFile("index.html", b"<b>x</b>"),))
    with shared.client.submit_and_follow(page, ME) as conversation:
        events = list(conversation.events())
    assert [type(e.event) for e in events] == [Started, Display, Exited, Finished]
    assert events[0].event == Started("render")
    assert result_of(events).verdict is Verdict.ACCEPTED


def test_a_display_after_one_that_is_too_large_arrives_and_that_one_is_told_of(
    shared: Engine,
) -> None:
    shown = '{"text/plain": "small"}'
    code = f"display('{shown}')\ndisplay(5_000_000)\ndisplay('{shown}')\ndisplay('[]')"
    events = run(shared.client, code, limits=Limits(output_bytes=8_000_000))
    displays = [dict(e.event.data) for e in events if isinstance(e.event, Display)]
    assert displays == [{"text/plain": "small"}] * 2
    result = result_of(events)
    assert (result.verdict, result.truncated) == (Verdict.ACCEPTED, True)
    assert result.displays_left_out == 2


class _Silent(FakeCell):
    """Says nothing any more once its program has ended."""

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        raise SandboxFailure("collect files", "the cell does not answer")


def test_files_of_a_cell_that_does_not_answer_are_told_to_be_lost() -> None:
    backend = FakeBackend()
    backend.make_cell = _Silent
    with engine(backend) as running:
        result = result_of(run(running.client, "print(1)\nleave('a', 'x')"))
    assert (result.verdict, result.files, result.files_left_out) == (Verdict.ACCEPTED, (), 1)
    assert result.omitted == (OmittedFile(".", None, "lost"),)


def test_a_program_that_floods_displays_ends_with_the_output_limits_verdict(
    shared: Engine,
) -> None:
    shown = '{"text/plain": ""}'
    events = run(shared.client, f"display('{shown}')\n" * 2000)
    result = result_of(events)
    assert result.verdict is Verdict.OUTPUT_LIMIT_EXCEEDED
    assert result.truncated
    assert result.displays_left_out > 0
    assert result.usage.output_bytes > Limits().output_bytes


def test_input_arrives_as_it_is_sent(shared: Engine) -> None:
    with shared.client.submit_and_follow(
        request("print(input())\necho()", interactive=True), ME
    ) as live:
        live.send(Stdin("é\n".encode()))
        live.send(Stdin(b"rest"))
        live.send(EndOfInput())
        live.send(Stdin(b"too late"))
        assert result_of(list(live.events())).stdout == "é\nrest".encode()


def test_input_with_the_request(shared: Engine) -> None:
    assert result_of(run(shared.client, "echo()", stdin=b"abc")).stdout == b"abc"


def test_input_that_nobody_reads_is_a_conflict(shared: Engine) -> None:
    client = shared.client
    with client.submit_and_follow(request("sleep(30)"), ME) as live:
        with pytest.raises(Conflict):
            client.control(live.id, ME.owner, Stdin(b"x"))
        live.send(Cancel())
        assert result_of(list(live.events())).verdict is Verdict.CANCELLED
        with pytest.raises(Conflict):
            client.control(live.id, ME.owner, Stdin(b"x"))
        client.control(live.id, ME.owner, Cancel())


def test_cancel_passes_input_that_is_not_read(shared: Engine) -> None:
    with shared.client.submit_and_follow(request("sleep(30)", interactive=True), ME) as live:

        def type_a_lot() -> None:
            for _ in range(40):
                live.send(Stdin(b"x" * 100_000))

        sender = threading.Thread(target=type_a_lot)
        sender.start()
        time.sleep(0.1)
        live.send(Cancel())
        assert result_of(list(live.events())).verdict is Verdict.CANCELLED
        sender.join(10)
        assert not sender.is_alive()


def test_controls_pass_input_that_is_not_read(shared: Engine) -> None:
    code = "print('on')\nwhile True: pass"
    with shared.client.submit_and_follow(request(code, interactive=True), ME) as live:
        while not isinstance(live.receive(5).event, Stream):  # type: ignore[union-attr]
            pass

        def type_a_lot() -> None:
            for _ in range(40):
                live.send(Stdin(b"x" * 100_000))

        sender = threading.Thread(target=type_a_lot)
        sender.start()
        time.sleep(0.1)
        live.send(Resize(30, 10))
        assert live.receive(5).event == Stream("run", "stdout", b"resized 30x10\n")  # type: ignore[union-attr]
        live.send(Signal("SIGINT"))
        assert result_of(list(live.events())).stages[0].outcome.signal == "SIGINT"
        sender.join(10)
        assert not sender.is_alive()


@pytest.mark.parametrize("control", [Signal("SIGINT"), Resize(9, 9)], ids=["signal", "resize"])
def test_who_sends_a_control_that_is_not_delivered_is_told(
    shared: Engine, control: Control
) -> None:
    code = "deaf()\nprint('on')\nprint(input())"
    with shared.client.submit_and_follow(request(code, interactive=True), ME) as live:
        while not isinstance(live.receive(5).event, Stream):  # type: ignore[union-attr]
            pass
        with pytest.raises(Conflict, match="cannot be reached"):
            shared.client.control(live.id, ME.owner, control)
        with pytest.raises(Conflict, match="cannot be reached"):
            live.send(control)
        live.send(Stdin(b"still here\n"))
        assert result_of(list(live.events())).stdout == b"on\nstill here\n"
        shared.client.control(live.id, ME.owner, control)  # no effect any more is no error


def test_who_signals_a_program_that_has_not_begun_is_told() -> None:
    with engine(max_concurrent=1) as running:
        client = running.client
        with (
            client.submit_and_follow(request("sleep(30)"), ME) as first,
            client.submit_and_follow(request("while True: pass", interactive=True), ME) as second,
        ):
            assert second.receive(5).event == Queued(0)  # type: ignore[union-attr]
            with pytest.raises(Conflict, match="no program is running yet"):
                client.control(second.id, ME.owner, Signal("SIGINT"))
            with pytest.raises(Conflict, match="no program is running yet"):
                second.send(Signal("SIGINT"))
            client.control(second.id, ME.owner, Resize(9, 9))
            first.send(Cancel())
            while not isinstance(second.receive(5).event, Started):  # type: ignore[union-attr]
                pass
            client.control(second.id, ME.owner, Signal("SIGINT"))
            assert result_of(list(second.events())).stages[0].outcome.signal == "SIGINT"


def test_a_size_that_came_while_the_program_was_started_arrives() -> None:
    class Slow(FakeCell):
        async def start(self, spec: ProcessSpec) -> FakeProcess:
            if spec.interactive:
                await asyncio.to_thread(resized.wait, 10)
            return await super().start(spec)

    resized = threading.Event()
    backend = FakeBackend()
    backend.make_cell = Slow
    with (
        engine(backend) as running,
        running.client.submit_and_follow(request("while True: pass", interactive=True), ME) as live,
    ):
        until(lambda: running.client.inspect(live.id, ME.owner).standing.state == "running")
        until(lambda: backend.live_cells == 1)
        running.client.control(live.id, ME.owner, Resize(41, 7))
        resized.set()
        assert isinstance(live.receive(5).event, Started)  # type: ignore[union-attr]
        assert live.receive(5).event == Stream("run", "stdout", b"resized 41x7\n")  # type: ignore[union-attr]
        live.send(Cancel())
        list(live.events())


def test_signal_and_resize(shared: Engine) -> None:
    with shared.client.submit_and_follow(request("sleep(30)", interactive=True), ME) as live:
        assert isinstance(live.receive(5).event, Started)  # type: ignore[union-attr]
        live.send(Resize(100, 40))
        assert live.receive(5).event == Stream("run", "stdout", b"resized 100x40\n")  # type: ignore[union-attr]
        live.send(Signal("SIGINT"))
        result = result_of(list(live.events()))
        assert result.stages[0].outcome.signal == "SIGINT"


def test_receive_in_time_or_not(shared: Engine) -> None:
    with shared.client.submit_and_follow(request("sleep(0.3)\nprint(1)"), ME) as live:
        assert live.receive(5) is not None
        with pytest.raises(TimeoutError):
            live.receive(0.05)
        assert len(list(live.events())) == 3
        assert live.receive() is None


def test_attach_replays_from_anywhere(shared: Engine) -> None:
    client = shared.client
    whole = run(client, "print(1)\nerror('x')\nprint(2)")
    execution_id = result_of(whole).id
    for after in range(len(whole) + 1):
        with client.attach(execution_id, ME.owner, after) as again:
            if after < len(whole):
                assert list(again.events()) == whole[after:]
    with pytest.raises(InvalidRequest):
        client.attach(execution_id, ME.owner, len(whole) + 1)


def test_who_attaches_is_told_where_it_is_and_what_its_request_said(shared: Engine) -> None:
    asked = request("print(1)", encoding="base64", on_disconnect="continue")
    with shared.client.submit_and_follow(asked, ME) as live:
        count = len(list(live.events()))
    with shared.client.attach(live.id, ME.owner, count) as again:
        assert again.standing == Standing(live.id, "finished", count, "base64", "continue")
        assert again.standing.ended_with(count)
        assert not again.standing.ended_with(count - 1)
    assert shared.client.inspect(live.id, ME.owner).standing == again.standing


def test_leaving_does_not_cancel(shared: Engine) -> None:
    client = shared.client
    with client.submit_and_follow(request("sleep(0.2)\nprint('done')"), ME) as live:
        execution_id = live.id
    assert client.inspect(execution_id, ME.owner).standing.state in ("queued", "running")
    with client.attach(execution_id, ME.owner) as again:
        assert result_of(list(again.events())).stdout == b"done\n"
    state = client.inspect(execution_id, ME.owner)
    assert (state.standing.state, state.result.stdout) == ("finished", b"done\n")  # type: ignore[union-attr]


def test_submit_without_following(shared: Engine) -> None:
    standing = shared.client.submit(request("print(1)"), ME)
    assert not standing.replayed
    execution_id = standing.id
    until(lambda: shared.client.inspect(execution_id, ME.owner).standing.state == "finished")


def test_a_list_has_ones_own_executions_before_and_after_their_end(shared: Engine) -> None:
    client, ann = shared.client, Account(Owner("lister", "ann"))
    first = client.submit(request("print(1)"), ann).id
    until(lambda: client.inspect(first, ann.owner).standing.state == "finished")
    with client.submit_and_follow(request("sleep(5)"), Account(Owner("lister"))) as live:
        until(lambda: client.inspect(live.id, Owner("lister")).standing.state == "running")
        listing = client.executions(Owner("lister"), Selection())
        told = [(x.id, x.state, x.language, x.user, x.verdict) for x in listing.executions]
        assert told == [
            (live.id, "running", "python", None, None),
            (first, "finished", "python", "ann", Verdict.ACCEPTED),
        ]
        assert [x.id for x in client.executions(ann.owner, Selection()).executions] == [first]
        assert client.executions(Owner("lister", "bob"), Selection()) == Listing(())
        assert client.executions(YOU.owner, Selection(begun_from_ms=1, page="1")) == Listing(())
        with pytest.raises(InvalidRequest, match="page"):
            client.executions(YOU.owner, Selection(page="x"))
        live.send(Cancel())


def test_nobody_sees_what_is_another_owners(shared: Engine) -> None:
    client = shared.client
    execution_id = client.submit(request("print(1)"), ME).id
    for call in (
        lambda: client.inspect(execution_id, YOU.owner),
        lambda: client.attach(execution_id, YOU.owner),
        lambda: client.control(execution_id, YOU.owner, Cancel()),
        lambda: client.inspect("nonexistent", ME.owner),
    ):
        with pytest.raises(UnknownExecution, match="no such execution"):
            call()


def test_idempotency_keys(shared: Engine) -> None:
    client = shared.client
    first = client.submit(request("print(1)"), ME, "key-1")
    again = client.submit(request("print(1)"), ME, "key-1")
    assert (again.id, again.replayed) == (first.id, True)
    with pytest.raises(Conflict):
        client.submit(request("print(2)"), ME, "key-1")
    assert client.submit(request("print(2)"), YOU, "key-1").replayed is False


def test_refusals(shared: Engine) -> None:
    client = shared.client
    with pytest.raises(UnsupportedLanguage):
        client.submit(replace(request("1"), language="cobol"), ME)
    with pytest.raises(InvalidRequest, match="wall_time_ms"):
        client.submit(request("1", limits=Limits(wall_time_ms=10**9)), ME)


def test_languages_and_health(shared: Engine) -> None:
    told = shared.client.offer()
    assert [(x.name, x.version) for x in told.languages] == [("python", "3.11"), ("html", "5")]
    classes = {name: [(x.name, x.version) for x in known] for name, known in told.classes.items()}
    assert classes == {"newer": [("python", "3.13"), ("bash", "5.2")], "empty": []}
    health = shared.client.health()
    assert health.ready
    assert health.capabilities.backend == "fake"
    assert health.counts["begun"] >= 0


def test_many_at_once_keep_to_the_bound() -> None:
    with engine(max_concurrent=3) as running:
        with ThreadPoolExecutor(24) as pool:
            done = list(pool.map(lambda n: run(running.client, f"print({n})"), range(72)))
        assert [result_of(events).stdout for events in done] == [
            f"{n}\n".encode() for n in range(72)
        ]
        assert running.backend.most_cells <= 3


def test_the_queue_is_told_and_bounded_and_can_be_left() -> None:
    with engine(max_concurrent=1, queue_size=2) as running:
        client = running.client
        with (
            client.submit_and_follow(request("sleep(30)"), ME) as first,
            client.submit_and_follow(request("print(1)"), ME) as second,
            client.submit_and_follow(request("print(2)"), ME) as third,
        ):
            assert second.receive(5).event == Queued(0)  # type: ignore[union-attr]
            assert third.receive(5).event == Queued(1)  # type: ignore[union-attr]
            assert client.inspect(third.id, ME.owner).standing.state == "queued"
            with pytest.raises(QueueFull) as caught:
                client.submit(request("print(3)"), ME)
            assert caught.value.retry_after_s >= 1
            second.send(Cancel())
            assert result_of(list(second.events())).verdict is Verdict.CANCELLED
            assert third.receive(5).event == Queued(0)  # type: ignore[union-attr]
            first.send(Cancel())
            assert result_of(list(third.events())).stdout == b"2\n"


def test_one_owner_leaves_room_for_another() -> None:
    with engine(max_concurrent=2, queue_size=8, max_per_owner=2) as running:
        client = running.client
        mine = [client.submit_and_follow(request("sleep(30)"), ME) for _ in range(2)]
        with pytest.raises(QueueFull):
            client.submit(request("print(1)"), ME)
        waiting = client.submit_and_follow(request("print(2)"), ANOTHER)
        for conversation in mine:
            conversation.send(Cancel())
            list(conversation.events())
        assert result_of(list(waiting.events())).stdout == b"2\n"
        assert result_of(run(client, "print(3)")).stdout == b"3\n"
        for conversation in (*mine, waiting):
            conversation.close()


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.15, 0.25])
def test_cancel_at_every_stage(delay_s: float) -> None:
    with engine(FakeBackend(acquire_s=0.2), max_concurrent=1) as running:
        with running.client.submit_and_follow(request("print(1)\nsleep(30)"), ME) as live:
            time.sleep(delay_s)
            live.send(Cancel())
            live.send(Cancel())
            began = time.monotonic()
            assert result_of(list(live.events())).verdict is Verdict.CANCELLED
            assert time.monotonic() - began < 20
        # the place is given back, and the cell that came too late is destroyed
        assert result_of(run(running.client, "print(2)")).stdout == b"2\n"


def test_a_backend_that_fails_is_an_internal_error_and_no_more() -> None:
    backend = FakeBackend(failures=(SandboxFailure("fork a cell", "/secret"),))
    with engine(backend) as running:
        result = result_of(run(running.client, "print(1)"))
        assert result.verdict is Verdict.INTERNAL_ERROR
        assert "secret" not in result.message
        assert result_of(run(running.client, "print(1)")).verdict is Verdict.ACCEPTED


def test_stopping_finishes_everything() -> None:
    with engine(max_concurrent=1) as running:
        client = running.client
        with (
            client.submit_and_follow(request("print('x')\nsleep(30)"), ME) as first,
            client.submit_and_follow(request("print(1)"), ME) as second,
        ):
            first.receive(5)
            first.receive(5)
            running.ask_to_stop()
            ended = [list(first.events()), list(second.events())]
        for events in ended:
            result = result_of(events)
            assert result.verdict is Verdict.CANCELLED
            assert "stopping" in result.message
    with pytest.raises(EngineUnavailable):
        client.health()


def test_a_lost_engine_ends_the_stream_with_what_arrived(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "e"))
    listener.listen()

    def half_an_engine() -> None:
        link, _ = listener.accept()
        link.recv(65536)
        standing = Standing("abc", "running", 0, "utf-8", "cancel")
        event = wire.encode_message(NumberedEvent(1, Stream("run", "stdout", b"hi")))
        link.sendall(wire.encode_message(wire.AcceptedReply(standing)) + event[:9])
        link.sendall(event[9:] + event[:9])
        link.close()

    thread = threading.Thread(target=half_an_engine)
    thread.start()
    events = run(EngineClient(tmp_path / "e"), "print(1)")
    thread.join()
    listener.close()
    result = result_of(events)
    assert (result.id, result.verdict, result.stdout) == ("abc", Verdict.INTERNAL_ERROR, b"hi")


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        "GET / HTTP/1.1",
        {"call": "nothing"},
        {"call": "health", "x": 1},
        {"call": "inspect", "id": "../../x", "owner": {"key": "me"}},
        {"call": "inspect", "id": "x", "owner": {"key": ""}},
        {"call": "attach", "id": "x", "owner": {"key": "me"}, "after": -1},
        {"call": "execute", "request": {}, "account": {"owner": {"key": "me"}}},
        {"call": "execute", "account": {"owner": {"key": "me"}}},
        {
            "call": "control", "id": "x", "owner": {"key": "me"},
            "control": {"type": "resize", "columns": 1001, "rows": 1},
        },
    ],
)  # fmt: skip
def test_hostile_calls_are_refused(shared: Engine, message: object) -> None:
    assert isinstance(answer_to(shared, framed(msgpack.encode(message))), wire.RefusedReply)
    assert shared.client.health().ready


@pytest.mark.parametrize(
    "data",
    [
        framed(b"\xff\xfe"),
        framed(b"\x91" * 100_000),
        framed(b"\xa1\xff"),
        framed(b""),
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_bytes_that_are_no_message_are_refused(shared: Engine, data: bytes) -> None:
    assert isinstance(answer_to(shared, data), wire.RefusedReply)
    assert shared.client.health().ready


def answer_to(engine: Engine, data: bytes) -> wire.Reply:
    with engine.raw() as link:
        link.sendall(data)
        (answer,) = messages(link.makefile("rb").read())
    return wire.decode_reply(answer)


def test_a_message_that_is_too_long_is_refused_before_it_is_read(shared: Engine) -> None:
    data = (wire.MAX_CALL_BYTES + 1).to_bytes(wire.LENGTH_BYTES, "big")
    assert isinstance(answer_to(shared, data), wire.RefusedReply)


@settings(max_examples=30)
@given(st.binary(max_size=60))
def test_hostile_bytes_break_one_conversation_only(data: bytes) -> None:
    link = HOSTILE.raw()
    link.sendall(data)
    link.shutdown(socket.SHUT_WR)
    link.makefile("rb").read()
    link.close()


def test_hostile_controls_end_their_conversation(shared: Engine) -> None:
    with shared.client.submit_and_follow(request("sleep(0.3)\nprint(1)"), ME) as live:
        execution_id = live.id
        live._link._link.sendall(framed(b"garbage"))
        assert result_of(list(live.events())).verdict is Verdict.INTERNAL_ERROR
    with shared.client.attach(execution_id, ME.owner) as again:
        assert result_of(list(again.events())).stdout == b"1\n"


def test_the_socket_is_private_and_there_is_one_engine(shared: Engine) -> None:
    path = shared.settings.engine_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(PlatformError, match="another engine"):
        asyncio.run(run_engine(shared.settings, FakeBackend(), OFFER))
    assert shared.client.health().ready


ENGINE_PROGRAM = """
import asyncio, sys
from pathlib import Path
from vibecell.config import Settings
from vibecell.engine.daemon import run_engine
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.sandbox.fake.scripted_backend import FakeBackend

folder = Path(sys.argv[1])
python = Language("python", "Python", "3", (), "main.py", "in_place", profiles=(WarmProfile("p"),))
settings = Settings(run_dir=folder, state_dir=folder, backend="fake")
asyncio.run(run_engine(settings, FakeBackend(), Offer((python,))))
"""


@contextmanager
def engine_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE_PROGRAM, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(vibecell.__file__).parents[1])},
    )
    try:
        until(lambda: answers(folder / "engine.sock"))
        yield process
    finally:
        process.kill()
        process.wait(10)


def answers(path: Path) -> bool:
    try:
        return EngineClient(path).health().ready
    except EngineUnavailable:
        return False


def test_a_crashed_engine_loses_nobody_and_starts_again(tmp_path: Path) -> None:
    client = EngineClient(tmp_path / "engine.sock")
    with engine_process(tmp_path) as process:
        with client.submit_and_follow(request("print('x')\nsleep(30)"), ME) as live:
            assert [live.receive(5) is not None for _ in range(2)] == [True, True]
            process.kill()
            result = result_of(list(live.events()))
        assert (result.verdict, result.stdout) == (Verdict.INTERNAL_ERROR, b"x\n")
    with engine_process(tmp_path):
        assert result_of(run(client, "print(1)")).stdout == b"1\n"


def test_sigterm_finishes_all_and_leaves_no_socket(tmp_path: Path) -> None:
    client = EngineClient(tmp_path / "engine.sock")
    with engine_process(tmp_path) as process:
        with client.submit_and_follow(request("sleep(30)"), ME) as live:
            assert live.receive(5) is not None
            process.send_signal(signal.SIGTERM)
            assert result_of(list(live.events())).verdict is Verdict.CANCELLED
        assert process.wait(10) == 0
    assert os.listdir(tmp_path) == ["engine.lock"]


def test_results_are_forgotten() -> None:
    with engine(result_ttl_s=0.1) as running:
        execution_id = result_of(run(running.client, "print(1)")).id
        time.sleep(0.15)
        with pytest.raises(UnknownExecution):
            running.client.inspect(execution_id, ME.owner)


HOSTILE: Engine


@pytest.fixture(scope="module", autouse=True)
def _hostile(shared: Engine) -> None:
    global HOSTILE
    HOSTILE = shared
