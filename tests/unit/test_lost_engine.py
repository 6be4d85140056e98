"""An engine that breaks its word: nobody waits for it, and nobody gets what is another's."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from owners import ME
from vibecell.engine.client import EngineClient, pending_result
from vibecell.engine.client.link_socket import Link
from vibecell.engine.client.pending_result import IdleLinks
from vibecell.model.errors import ProtocolViolation
from vibecell.model.events import Finished, NumberedEvent, Stream
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.status import Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire import link as wire

from .link_messages import framed

REQUEST = ExecutionRequest("python", (SourceFile("main.py", b""),))
STANDING = Standing("abc", "running", 0, "utf-8", "cancel")
ACCEPTED = wire.encode_message(wire.AcceptedReply(STANDING))
ENOUGH_S = 20.0


def said(seq: int, text: bytes) -> bytes:
    return wire.encode_message(NumberedEvent(seq, Stream("run", "stdout", text)))


def announced(size_bytes: int) -> bytes:
    return size_bytes.to_bytes(wire.LENGTH_BYTES, "big")


@contextlib.contextmanager
def engine_that_says(folder: Path, data: bytes) -> Iterator[EngineClient]:
    """Answers one call so, and then holds its end."""
    path, done = folder / "e", threading.Event()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def answer() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(65536)
            link.sendall(data)
            done.wait(2 * ENOUGH_S)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield EngineClient(path)
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    "wrong",
    [
        said(3, b"three"),
        said(1, b"one again"),
        announced(wire.MAX_REPLY_BYTES + 1),
        announced(0),
        framed(b"no event"),
    ],
)
def test_a_stream_that_is_not_whole_ends_at_once_with_what_was(
    tmp_path: Path, wrong: bytes
) -> None:
    with (
        engine_that_says(tmp_path, ACCEPTED + said(1, b"one") + wrong) as client,
        client.submit_and_follow(REQUEST, ME) as conversation,
    ):
        first, last = conversation.receive(ENOUGH_S), conversation.receive(ENOUGH_S)
        assert conversation.receive(ENOUGH_S) is None
    assert first is not None
    assert last is not None
    assert (first.seq, last.seq) == (1, 2)
    assert isinstance(last.event, Finished)
    result = last.event.result
    assert (result.verdict, result.stdout) == (Verdict.INTERNAL_ERROR, b"one")


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    ours, engines = socket.socketpair()
    with ours, engines:
        yield Link(ours), engines


@pytest.mark.parametrize("size_bytes", [0, wire.MAX_REPLY_BYTES + 1])
def test_a_message_that_is_empty_or_too_long_is_none(
    pair: tuple[Link, socket.socket], size_bytes: int
) -> None:
    link, engines = pair
    engines.sendall(announced(size_bytes))
    with pytest.raises(ProtocolViolation):
        link.receive(ENOUGH_S)


def test_a_connection_on_which_more_was_said_serves_nobody_else(
    pair: tuple[Link, socket.socket],
) -> None:
    link, engines = pair
    engines.sendall(framed(b"this call's") + framed(b"another's"))
    assert link.receive(ENOUGH_S) == b"this call's"
    assert not link.is_idle()
    assert link.receive(ENOUGH_S) == b"another's"
    assert link.is_idle()
    engines.sendall(b"x")
    assert not link.is_idle()


def test_no_more_connections_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_result, "MAX_IDLE_LINKS", 2)
    monkeypatch.setattr(pending_result, "MAX_IDLE_S", ENOUGH_S)
    idle = IdleLinks()
    engines = []
    for _ in range(3):
        ours, engine = socket.socketpair()
        engine.settimeout(0)
        engines.append(engine)
        idle.give(Link(ours))
    try:
        assert engines[0].recv(1) == b""  # the one that waited longest was closed
        for other in engines[1:]:
            with pytest.raises(BlockingIOError):
                other.recv(1)
    finally:
        idle.close()
        for engine in engines:
            engine.close()


def test_a_last_event_of_another_kind_is_no_result(tmp_path: Path) -> None:
    end = wire.encode_message(NumberedEvent(1, Finished(Result("abc", Verdict.ACCEPTED))))
    with engine_that_says(tmp_path, ACCEPTED + said(1, b"one") + end) as client:
        with client.submit_and_wait(REQUEST, ME) as pending:
            assert pending.result(ENOUGH_S).verdict is Verdict.INTERNAL_ERROR
        client.close()
