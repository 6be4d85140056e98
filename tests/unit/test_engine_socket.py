"""Who may speak to the engine, and how many at once."""

import contextlib
import socket

import pytest

from vibecell.engine import daemon
from vibecell.model.errors import EngineUnavailable

from .test_engine_daemon import Engine, engine, until


def is_hung_up(link: socket.socket) -> bool:
    link.settimeout(10)
    return link.recv(1) == b""


def answers(running: Engine) -> bool:
    try:
        return running.client.health().ready
    except EngineUnavailable:
        return False


class _Peer:
    uid = 54321


def test_another_user_of_the_host_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine() as running:
        assert answers(running)
        with monkeypatch.context() as patch:
            patch.setattr(daemon, "peer", lambda _: _Peer)
            assert not answers(running)
        assert answers(running)


def test_more_connections_than_there_may_be_are_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(daemon, "MAX_CONNECTIONS", 2)
    with engine() as running, contextlib.ExitStack() as held:
        links = [held.enter_context(running.raw()) for _ in range(2)]
        until(lambda: not answers(running))
        assert is_hung_up(held.enter_context(running.raw()))
        links[0].close()
        until(lambda: answers(running))
