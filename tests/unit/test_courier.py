"""A gateway and its courier: what is asked, what comes, and who may ask."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

from vibecell.couriers.daemon import serving
from vibecell.couriers.fetching import FetchFailed
from vibecell.couriers.key_sets import KeySets
from vibecell.gateway.identity.courier import ANEW_S, TOLD_S, Courier
from vibecell.model.errors import StoreUnavailable
from vibecell.model.identity_provider import IdentityProvider
from vibecell.wire import courier_link as wire
from vibecell.wire.link import LENGTH_BYTES

KEY = {"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}
WHERE = IdentityProvider(jwks_url="https://login.example/keys")


class Asked:
    """A provider's keys, and how often they were fetched."""

    def __init__(self) -> None:
        self.body: bytes | None = json.dumps({"keys": [KEY]}).encode()
        self.count = 0
        self.now_s = 1000.0

    async def fetched(self, url: str, most_bytes: int) -> bytes:
        self.count += 1
        if self.body is None:
            raise FetchFailed("it answered 500")
        return self.body


@contextmanager
def running(asked: Asked, path: Path, allowed: frozenset[int]) -> Iterator[Courier]:
    """A courier in a thread, and a gateway's end of its socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        sets = KeySets({"login": WHERE}, asked.fetched, lambda: asked.now_s)
        async with serving(sets, listener, allowed):
            ready.set()
            await stop.wait()
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield Courier(path, lambda: asked.now_s)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


ME = frozenset((os.geteuid(),))


def test_a_key_is_found_and_asked_for_again_now_and_then(tmp_path: Path) -> None:
    asked = Asked()
    with running(asked, tmp_path / "s", ME) as courier:
        for _ in range(3):
            assert courier.find("login", "one") == KEY
        assert courier.find("login", None) == KEY
        assert asked.count == 1
        asked.body = json.dumps({"keys": [KEY, {**KEY, "kid": "two"}]}).encode()
        asked.now_s += max(TOLD_S, ANEW_S) + 1
        assert courier.find("login", "two") is not None
        assert courier.find("login", None) is None  # which of both?
        assert asked.count == 2


def test_keys_that_nobody_has_cost_one_question_a_minute(tmp_path: Path) -> None:
    asked = Asked()
    with running(asked, tmp_path / "s", ME) as courier:
        for number in range(200):
            assert courier.find("login", f"made up {number}") is None
        assert asked.count == 1
        asked.now_s += ANEW_S + 1
        assert courier.find("login", "made up") is None
        assert asked.count == 2


def test_a_provider_that_is_away_lets_nobody_in(tmp_path: Path) -> None:
    asked = Asked()
    asked.body = None
    with running(asked, tmp_path / "s", ME) as courier:
        for name in ("login", "another"):
            with pytest.raises(StoreUnavailable):
                courier.find(name, "one")


def test_only_the_gateways_user_is_answered(tmp_path: Path) -> None:
    asked = Asked()
    with running(asked, tmp_path / "s", frozenset((os.geteuid() + 1,))) as courier:
        with pytest.raises(StoreUnavailable):
            courier.find("login", "one")
        assert asked.count == 0


def test_no_courier_lets_nobody_in(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Courier(tmp_path / "nothing").find("login", "one")


@pytest.mark.parametrize(
    "said",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\1\xc1",
        wire.encode_message(wire.KeySetReply(b"{}")),  # type: ignore[arg-type]
        b"\0\0\0",
    ],
)
def test_what_is_no_call_ends_its_conversation_alone(tmp_path: Path, said: bytes) -> None:
    asked = Asked()
    with running(asked, tmp_path / "s", ME) as courier:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(10)
            link.connect(str(tmp_path / "s"))
            link.sendall(said)
            link.shutdown(socket.SHUT_WR)
            assert link.recv(100) == b""
        assert courier.find("login", "one") == KEY


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\0\0\0\1\xc1",
        wire.encode_message(wire.KeySetReply(b"no JSON")),
        wire.encode_message(wire.KeySetReply(b'{"keys":7}')),
        wire.encode_message(wire.KeySetReply(b'{"keys":["a"]}')),
        wire.encode_message(wire.KeySetReply(b"[" * 100_000)),
        wire.encode_message(wire.FailedReply("it answered 500")),
        wire.encode_message(wire.KeySetCall("login")),  # type: ignore[arg-type]
    ],
)
def test_a_courier_that_was_taken_over_lets_nobody_in(tmp_path: Path, told: bytes) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def answer() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(4096)
            link.sendall(told)

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(StoreUnavailable):
        Courier(tmp_path / "s").find("login", "one")
    thread.join(10)
    listener.close()


class SlowCourier(Courier):
    """Is told keys, or that there are none, by one who waits until so many have come."""

    def __init__(self, told: wire.Reply, askers: int) -> None:
        super().__init__(Path("nowhere"))
        self.told, self.conversations = wire.encode_message(told)[LENGTH_BYTES:], 0
        self.askers, self.come = askers, 0

    def find(self, provider: str, kid: str | None) -> dict[str, str] | None:
        self.come += 1
        return super().find(provider, kid)

    def _conversation(self, call: wire.Call) -> bytes:
        self.conversations += 1
        gevent.sleep(0.01)
        while self.come < self.askers:
            gevent.sleep(0.001)
        return self.told


def test_many_who_come_at_once_ask_once() -> None:
    courier = SlowCourier(wire.KeySetReply(json.dumps({"keys": [KEY]}).encode()), 100)
    asking = [gevent.spawn(courier.find, "login", "one") for _ in range(100)]
    assert [each.get(timeout=10) for each in asking] == [KEY] * 100
    assert courier.conversations == 1


def test_many_who_come_at_once_are_told_that_there_are_none() -> None:
    courier = SlowCourier(wire.FailedReply("it answered 500"), 100)
    asking = [gevent.spawn(_is_refused, courier) for _ in range(100)]
    assert all(each.get(timeout=10) for each in asking)
    assert courier.conversations == 1
    assert _is_refused(courier) and courier.conversations == 2


def test_who_leaves_while_he_asks_keeps_nobody_waiting() -> None:
    courier = SlowCourier(wire.KeySetReply(json.dumps({"keys": [KEY]}).encode()), 2)
    asking = gevent.spawn(courier.find, "login", "one")
    waiting = gevent.spawn(_is_refused, courier)
    gevent.sleep(0)
    asking.kill()
    assert waiting.get(timeout=10)
    assert courier.find("login", "one") == KEY


def _is_refused(courier: Courier) -> bool:
    with pytest.raises(StoreUnavailable):
        courier.find("login", "one")
    return True
