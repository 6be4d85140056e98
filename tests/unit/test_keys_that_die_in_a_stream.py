"""A key is revoked while somebody follows by it, or by what derives from it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from websockets.frames import Frame, Opcode

from unit.key_owners import MAKE_TICKET, MAKE_TOKEN, Door, KeyOwners, bearing
from unit.served_gateway import HANDSHAKE, RESULT, Served
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Control, Finished, NumberedEvent, Stream
from vibecell.model.status import Standing
from vibecell.sharing.key_desk import GivenOut
from vibecell.wire.derivations import MAX_TOKEN_LIFETIME_S, TokenRequest


class _Conversation:
    """Says one thing, then a secret, once it is told to."""

    id = "known"
    standing = Standing("known", "running", 1, "utf-8", "cancel")

    def __init__(self) -> None:
        self.goes_on = Event()
        self.controls: list[Control] = []

    def __enter__(self) -> "_Conversation":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.goes_on.set()

    def end_controls(self) -> None:
        self.close()

    def send(self, control: Control) -> None:
        self.controls.append(control)

    def receive(self, timeout_s: float | None = None) -> NumberedEvent | None:
        if not self._left:
            return None
        if len(self._left) == 2 and not self.goes_on.wait(timeout_s):
            raise TimeoutError
        return self._left.pop(0)

    @property
    def _left(self) -> list[NumberedEvent]:
        if not hasattr(self, "_events"):
            said = [Stream("run", "stdout", b"hello"), Stream("run", "stdout", b"secret")]
            self._events = [NumberedEvent(n, e) for n, e in enumerate(said, 1)]
            self._events.append(NumberedEvent(3, Finished(RESULT)))
        return self._events

    def events(self) -> Iterator[NumberedEvent]:
        while (event := self.receive()) is not None:
            yield event


class FollowedByAnybody:
    """A gateway without keys, and one execution that is followed."""

    def __init__(self) -> None:
        self.owners = KeyOwners()
        self.served = Served(keys=self.owners.ring)
        self.conversation = _Conversation()
        self.served.gateway.executor = self  # type: ignore[assignment]

    def attach(self, execution_id: str, owner: object, after: int = 0) -> _Conversation:
        return self.conversation

    def control(self, *asked: object) -> None:
        raise UnknownExecution("no such execution")

    def follow(self, route: str, credential: str | None = None) -> socket.socket:
        client = self.served.open()
        handshake = HANDSHAKE if route.startswith("stream") else b"Host: localhost\r\n"
        head = f"GET /v1/executions/known/{route} HTTP/1.1\r\n".encode()
        field = f"Authorization: Bearer {credential}\r\n".encode() if credential else b""
        client.sendall(head + field + handshake + b"\r\n")
        return client


class Followed(FollowedByAnybody):
    """One with keys, and the execution is followed by the first."""

    def __init__(self) -> None:
        super().__init__()
        self.key: GivenOut = self.owners.create()
        self.owners.create()

    def token(self) -> str:
        door = Door(self.owners.ring)
        caller = door.ask(bearing(self.key.text), MAKE_TOKEN)
        return door.made.tokens.mint(caller, TokenRequest("ann")).text


#: Of a body in chunks. Source: RFC 9112 section 7.1
LAST_CHUNK = b"0\r\n\r\n"


def heard(client: socket.socket, *until: bytes) -> bytes:
    """What comes, to one of these."""
    said = b""
    while not any(each in said for each in until) and (piece := client.recv(65536)):
        said += piece
    return said


@pytest.fixture
def followed() -> Iterator[Followed]:
    made = Followed()
    yield made
    made.served.end()


@pytest.fixture
def anybody() -> Iterator[FollowedByAnybody]:
    made = FollowedByAnybody()
    yield made
    made.served.end()


@pytest.mark.parametrize("route", ["stream", "events"])
@pytest.mark.parametrize("by", ["key", "token"])
def test_nothing_more_is_told(followed: Followed, route: str, by: str) -> None:
    client = followed.follow(route, followed.key.text if by == "key" else followed.token())
    assert b"hello" in heard(client, b"hello")
    followed.owners.revoke(followed.key)
    followed.conversation.goes_on.set()
    rest = heard(client, b"credential-revoked", b"secret", LAST_CHUNK)
    assert b"secret" not in rest
    assert b"finished" not in rest
    assert (b"credential-revoked" in rest) == (route == "stream")


@pytest.mark.parametrize("route", ["stream", "events"])
@pytest.mark.parametrize("by", ["token", "ticket of a token", "key"])
def test_nothing_more_is_told_once_the_token_has_expired(
    followed: Followed, route: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = followed.served.gateway.authenticator
    if by == "ticket of a token":
        caller = door.caller(bearing(followed.token()), MAKE_TICKET)
        client = followed.follow(f"{route}?ticket={door.ticket(caller, 'known').text}")
    else:
        client = followed.follow(route, followed.key.text if by == "key" else followed.token())
    assert b"hello" in heard(client, b"hello")
    monkeypatch.setattr(door, "_clock", lambda: time.time() + MAX_TOKEN_LIFETIME_S)
    followed.conversation.goes_on.set()
    rest = heard(client, b"credential-expired", b"finished", LAST_CHUNK)
    assert (b"secret" in rest) == (b"finished" in rest) == (by == "key")
    assert (b"credential-expired" in rest) == (by != "key" and route == "stream")


@pytest.mark.parametrize("route", ["stream", "events"])
@pytest.mark.parametrize("is_made", [True, False])
def test_who_showed_no_key_is_told_nothing_more_once_there_is_one(
    anybody: FollowedByAnybody, route: str, is_made: bool
) -> None:
    client = anybody.follow(route)
    assert b"hello" in heard(client, b"hello")
    if is_made:
        anybody.owners.create()
    anybody.conversation.goes_on.set()
    rest = heard(client, b"credential-missing", b"finished", LAST_CHUNK)
    assert (b"secret" in rest) == (b"finished" in rest) == (not is_made)
    assert (b"credential-missing" in rest) == (is_made and route == "stream")


def test_nothing_more_is_obeyed(followed: Followed) -> None:
    client = followed.follow("stream", followed.token())
    heard(client, b"hello")
    say(client, type="resize", columns=80, rows=24)
    while not followed.conversation.controls:
        gevent.sleep(0.001)
    followed.owners.revoke(followed.key)
    say(client, type="resize", columns=81, rows=24)
    assert b"credential-revoked" in heard(client, b"credential-revoked")
    assert len(followed.conversation.controls) == 1


@pytest.mark.parametrize("route", ["stream", "events"])
def test_one_that_lives_is_told_all(followed: Followed, route: str) -> None:
    client = followed.follow(route, followed.token())
    heard(client, b"hello")
    followed.conversation.goes_on.set()
    rest = heard(client, b"finished")
    assert b"secret" in rest
    assert b"finished" in rest


def say(client: socket.socket, **message: Any) -> None:
    frame = Frame(Opcode.TEXT, json.dumps(message).encode())
    client.sendall(frame.serialize(mask=True))
