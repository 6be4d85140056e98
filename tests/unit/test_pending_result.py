"""Results alone, over connections that are used again."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from owners import ME
from vibecell.engine.client import EngineClient, link_socket, pending_result
from vibecell.model.errors import EngineUnavailable, QueueFull
from vibecell.model.events import Finished, NumberedEvent
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.status import Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire import link as wire

from .link_messages import framed

REQUEST = ExecutionRequest("python", (SourceFile("main.py", b"print(1)"),))
STANDING = Standing("abc", "queued", 0, "utf-8", "cancel")
ACCEPTED = wire.encode_message(wire.AcceptedReply(STANDING))
RESULT = Result("abc", Verdict.ACCEPTED, stdout=b"1\n")
FINISHED = wire.encode_message(NumberedEvent(5, Finished(RESULT)))
Talk = Callable[[socket.socket], None]


class Engine:
    """Answers as it is told, one connection after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[wire.Call] = []
        self.connections = 0
        self.talk: Talk = self.answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._links: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._links.append(link)
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        # a client may leave at any time; what it then sees is what the tests look at
        with link, link.makefile("rb") as stream, contextlib.suppress(OSError):
            while header := stream.read(wire.LENGTH_BYTES):
                self.calls.append(wire.decode_call(stream.read(wire.message_bytes(header))))
                self.talk(link)

    def answer(self, link: socket.socket) -> None:
        link.sendall(ACCEPTED)
        time.sleep(0.02)
        link.sendall(FINISHED)

    def break_links(self) -> None:
        for link in self._links:
            link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    running = Engine(tmp_path / "e")
    yield running
    running.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[EngineClient]:
    made = EngineClient(engine.path)
    yield made
    made.close()


def run(client: EngineClient) -> Result:
    with client.submit_and_wait(REQUEST, ME) as pending:
        assert (pending.id, pending.standing) == ("abc", STANDING)
        return pending.result(5)


def test_one_connection_serves_one_result_after_the_other(
    engine: Engine, client: EngineClient
) -> None:
    assert [run(client) for _ in range(3)] == [RESULT] * 3
    assert engine.connections == 1
    assert engine.calls == [wire.ExecuteCall(REQUEST, ME, None, "result")] * 3


def test_two_at_once_do_not_share(engine: Engine, client: EngineClient) -> None:
    with client.submit_and_wait(REQUEST, ME) as one, client.submit_and_wait(REQUEST, ME) as two:
        assert one.result(5) == two.result(5) == RESULT
    assert engine.connections == 2


def test_a_result_that_does_not_come_in_time_comes_later(
    engine: Engine, client: EngineClient
) -> None:
    with client.submit_and_wait(REQUEST, ME) as begun:
        with pytest.raises(TimeoutError):
            begun.result(0.001)
        assert begun.result(5) == begun.result() == RESULT


def test_a_connection_that_the_engine_closed_is_not_used(
    engine: Engine, client: EngineClient
) -> None:
    run(client)
    engine.break_links()
    assert run(client) == RESULT
    assert engine.connections == 2


def test_a_connection_that_waited_long_is_not_used(
    engine: Engine, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(client)
    monkeypatch.setattr(pending_result, "MAX_IDLE_S", 0.0)
    assert run(client) == RESULT
    assert engine.connections == 2


def test_who_leaves_before_the_end_takes_the_connection_along(
    engine: Engine, client: EngineClient
) -> None:
    client.submit_and_wait(REQUEST, ME).close()
    run(client)
    assert engine.connections == 2


@pytest.mark.parametrize("last", [b"", FINISHED[:9], framed(b"\x80"), framed(b""), ACCEPTED])
def test_a_lost_engine_is_an_internal_error(
    engine: Engine, client: EngineClient, last: bytes
) -> None:
    def fall_silent(link: socket.socket) -> None:
        link.sendall(ACCEPTED + last)
        link.shutdown(socket.SHUT_RDWR)

    engine.talk = fall_silent
    result = run(client)
    assert (result.id, result.verdict) == ("abc", Verdict.INTERNAL_ERROR)
    assert result.message == pending_result.LOST_MESSAGE


def test_an_engine_that_stops_in_a_message_is_a_lost_one(
    engine: Engine, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_socket, "SILENCE_TIMEOUT_S", 0.3)

    def stop_in_it(link: socket.socket) -> None:
        link.sendall(ACCEPTED + FINISHED[:-3])
        link.recv(1)

    engine.talk = stop_in_it
    with client.submit_and_wait(REQUEST, ME) as pending:
        result = None
        while result is None:  # as a gateway waits that looks after its client meanwhile
            with contextlib.suppress(TimeoutError):
                result = pending.result(0.1)
    assert result.verdict is Verdict.INTERNAL_ERROR


def test_a_message_that_has_come_is_read_however_late(
    engine: Engine, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_socket, "SILENCE_TIMEOUT_S", 0.3)
    rest = threading.Event()

    def pause_in_it(link: socket.socket) -> None:
        link.sendall(ACCEPTED + FINISHED[:-3])
        rest.wait(10)
        link.sendall(FINISHED[-3:])

    engine.talk = pause_in_it
    with client.submit_and_wait(REQUEST, ME) as pending:
        with pytest.raises(TimeoutError):
            pending.result(0.1)
        rest.set()
        time.sleep(0.5)  # the reader was busy elsewhere, longer than it waits for the rest
        assert pending.result(5) == RESULT


def test_a_refusal_is_raised(engine: Engine, client: EngineClient) -> None:
    refusal = wire.encode_message(wire.refused(QueueFull("full", 3)))
    engine.talk = lambda link: link.sendall(refusal)
    with pytest.raises(QueueFull):
        client.submit_and_wait(REQUEST, ME)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        EngineClient(tmp_path / "nothing").submit_and_wait(REQUEST, ME)
