"""What bodies under way may take together: of one key, one user, one address, and of everybody."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket
from hypothesis import given
from hypothesis import strategies as st

from vibecell.config import Settings
from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.policy import Policy
from vibecell.model.access import Access
from vibecell.model.caller import Owner
from vibecell.model.errors import CapacityError, LimitReached, QueueFull

from .served_gateway import Served

ONE, TWO = "the-key-of-one-platform", "the-key-of-another-one"
BODY_BYTES = 10_000
# one key alone may hold eight bodies, and another then finds room for one
ROOM_BYTES = 100_000
BODY = b'{"code": "' + b"x" * (BODY_BYTES - 12) + b'"}'


def asks(owner: Owner | None, client: str = "10.0.0.1") -> Any:
    return SimpleNamespace(owner=owner, client=client)


def fill(rooms: BodyRooms, connection: Any, size_bytes: int = 10) -> int:
    """How many bodies of this size found room before one was refused."""
    count = 0
    try:
        while True:
            rooms.take(connection, size_bytes)
            count += 1
    except CapacityError:
        return count


def test_whoever_fills_his_room_leaves_some_to_keys_users_and_addresses() -> None:
    rooms = BodyRooms(1000)
    ann, ben = asks(Owner("one", "ann")), asks(Owner("one", "ben"))
    assert fill(rooms, ann) == 51  # four fifths each: of all for a key, of that for its users
    assert fill(rooms, ben) == 10
    with pytest.raises(LimitReached, match="this user"):
        rooms.take(ann, 10)
    assert fill(rooms, asks(Owner("one"))) == 19
    with pytest.raises(LimitReached, match="this key"):
        rooms.take(ann, 10)
    assert fill(rooms, asks(Owner("two"))) == 16
    assert fill(rooms, asks(None)) > 0


def test_however_many_users_a_key_has_they_leave_room_to_the_key_itself() -> None:
    rooms = BodyRooms(100_000)
    for number in range(1000):
        fill(rooms, asks(Owner("one", str(number))), 1000)
        fill(rooms, asks(Owner("one", str(number))), 1)
    assert fill(rooms, asks(Owner("one")), 1000) == 16


def test_who_has_shown_no_key_is_bounded_by_address() -> None:
    rooms = BodyRooms(1000)
    assert fill(rooms, asks(None, "10.0.0.1")) == 51
    with pytest.raises(LimitReached, match="this address"):
        rooms.take(asks(None, "10.0.0.1"), 10)
    assert fill(rooms, asks(None, "10.0.0.2")) == 10
    # a network of IPv6 is one
    assert fill(rooms, asks(None, "2001:db8::1"), 3) > 0
    assert fill(rooms, asks(None, "2001:db8::2"), 3) == 0
    assert fill(rooms, asks(Owner("one"))) > 0


def test_who_holds_nothing_and_finds_no_room_has_reached_no_limit_of_his() -> None:
    rooms = BodyRooms(1000)
    fill(rooms, asks(Owner("one")))
    with pytest.raises(QueueFull):
        rooms.take(asks(Owner("two")), 500)


OWNERS = [None, Owner("a"), Owner("a", "ann"), Owner("a", "ben"), Owner("b"), Owner("c", "ann")]


@given(st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(1, 500)), max_size=60))
def test_never_more_is_held_than_there_is_and_all_of_it_is_given_back(
    asked: list[tuple[Owner | None, int]],
) -> None:
    rooms = BodyRooms(1000)
    held = []
    for owner, size in asked:
        try:
            held.append((rooms.take(asks(owner), size), size))
        except CapacityError:
            if held:
                rooms.give_back(*held.pop(0))
        assert rooms.held_bytes == sum(size for _, size in held) <= 1000
    for holder, size in held:
        rooms.give_back(holder, size)
    assert (rooms.held_bytes, len(rooms._held), len(rooms._of_users)) == (0, 0, 0)


@pytest.mark.parametrize(("granted", "room"), [(5, 2_500_000), (10**9, 10**9)])
def test_the_largest_body_always_finds_room(granted: int, room: int) -> None:
    settings = Settings(body_limit_bytes=2_000_000, gateway=Access(bodies_bytes=granted))
    assert Policy.from_settings(settings).bodies_bytes == room


class Sender:
    """A client that says how large its body is, and sends all of it but the last byte."""

    def __init__(self, served: Served, key: str, chunked: bool = False) -> None:
        self.socket: socket.socket = served.open()
        length = f"Content-Length: {len(BODY)}"
        if chunked:
            length = "Transfer-Encoding: chunked"
        head = (
            "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\n{length}\r\n\r\n"
        ).encode()
        if chunked:
            head += b"%x\r\n" % len(BODY)
        self.socket.sendall(head + BODY[:-1])
        self._rest = BODY[-1:] + (b"\r\n0\r\n\r\n" if chunked else b"")

    def go_on(self) -> str:
        """Send the rest; what is answered."""
        self.socket.sendall(self._rest)
        return self.answer()

    def answer(self) -> str:
        """The head and, of a short one, the body."""
        received: bytes = b""
        while b"\r\n\r\n" not in received:
            piece = self.socket.recv(65536)
            assert piece, received
            received += piece
        return received.decode()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(**limits: float) -> Served:
        made.append(
            Served(
                ServerLimits(**{"body_s": 30.0, "stop_s": 0.2, **limits}),  # type: ignore[arg-type]
                api_keys=(ONE, TWO),
                body_bytes=2 * BODY_BYTES,
                bodies_bytes=ROOM_BYTES,
            )
        )
        return made[-1]

    yield make
    for served in made:
        served.end()


def held(served: Served, size_bytes: int, timeout_s: float = 20.0) -> bool:
    """Whether so much is held, now or soon."""
    end_s = time.monotonic() + timeout_s
    while served.server.bodies.held_bytes != size_bytes:
        if time.monotonic() > end_s:
            return False
        gevent.sleep(0.01)
    return True


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_bodies_of_one_key_leave_room_to_another_key(
    serve: Callable[..., Served], chunked: bool
) -> None:
    served = serve()
    slow = [Sender(served, ONE, chunked) for _ in range(8)]
    assert held(served, 8 * BODY_BYTES)
    answer = Sender(served, ONE, chunked).go_on()
    assert answer.startswith("HTTP/1.1 429")
    assert "\r\nRetry-After: 1\r\n" in answer
    assert "urn:vibecell:problem:limit-reached" in answer
    assert Sender(served, TWO, chunked).go_on().startswith("HTTP/1.1 200")
    for sender in slow:  # nobody who was let in is turned out
        assert sender.go_on().startswith("HTTP/1.1 200")
    assert held(served, 0)
    assert Sender(served, ONE, chunked).go_on().startswith("HTTP/1.1 200")


@pytest.mark.parametrize(
    "framing",
    [f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"],
    ids=["length", "chunks"],
)
def test_who_asks_before_he_sends_is_refused_before_he_sends(
    serve: Callable[..., Served], framing: str
) -> None:
    served = serve(discard_s=0.2)
    head = (
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {ONE}\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    ).encode()
    with served.open() as asking:
        asking.sendall(head)
        assert asking.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert held(served, 0)
    slow = [Sender(served, ONE) for _ in range(8)]
    assert held(served, 8 * BODY_BYTES)
    with served.open() as asking:
        asking.sendall(head)
        assert asking.recv(100).startswith(b"HTTP/1.1 429 ")
    assert all(sender.go_on().startswith("HTTP/1.1 200") for sender in slow)


def test_what_is_left_of_a_refused_body_is_never_read_as_a_request(
    serve: Callable[..., Served],
) -> None:
    served = serve()
    slow = [Sender(served, ONE) for _ in range(8)]
    assert held(served, 8 * BODY_BYTES)
    refused = Sender(served, ONE)
    assert refused.answer().startswith("HTTP/1.1 429")
    for sender in slow:
        assert sender.go_on().startswith("HTTP/1.1 200")
    # the same connection goes on behind the body, of which nothing is held
    again = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    refused.socket.sendall(BODY[-1:] + again)
    assert refused.answer().startswith("HTTP/1.1 200")
    assert held(served, 0)


def test_a_body_that_never_ends_keeps_its_room_no_longer_than_its_deadline(
    serve: Callable[..., Served],
) -> None:
    served = serve(body_s=1.0, discard_s=0.2)
    slow = [Sender(served, ONE) for _ in range(8)]
    assert held(served, 8 * BODY_BYTES)
    assert all(sender.answer().startswith("HTTP/1.1 408") for sender in slow)
    assert held(served, 0)


def test_who_leaves_in_the_middle_of_his_body_keeps_no_room(serve: Callable[..., Served]) -> None:
    served = serve()
    slow = [Sender(served, ONE) for _ in range(8)]
    assert held(served, 8 * BODY_BYTES)
    for sender in slow:
        sender.socket.close()
    assert held(served, 0)


def test_whose_key_is_wrong_holds_nothing(serve: Callable[..., Served]) -> None:
    served = serve()
    assert Sender(served, "no-key-that-there-is").answer().startswith("HTTP/1.1 401")
    assert served.server.bodies.held_bytes == 0
