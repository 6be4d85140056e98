"""What a gateway holds of messages that nobody uses: in order, to its end, and bounded."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from websockets.frames import Close, Frame, Opcode

from owners import ME
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.identity.narrowing import anonymous_caller
from vibecell.gateway.parts import Gateway
from vibecell.gateway.policy import Policy
from vibecell.gateway.transports import websocket_relay
from vibecell.gateway.transports.inbox import ITEM_BYTES, Hold, Inbox, Room
from vibecell.gateway.transports.websocket import WebSocket, WebSocketClosed, WebSocketLimits
from vibecell.model.caller import Owner
from vibecell.model.status import Standing

CHUNK_BYTES = 32768  # what is read at once
MESSAGE_BYTES = 300_000
LIMITS = WebSocketLimits(
    message_bytes=MESSAGE_BYTES, inbox_bytes=50_000, inbox_wait_s=60.0, close_s=0.1
)
# the inbox and the one message that may go beyond it, the one that is arriving, the last read
CONNECTION_BYTES = LIMITS.inbox_bytes + 2 * MESSAGE_BYTES + CHUNK_BYTES
GOODBYE = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
FIELDS = {
    "HTTP_HOST": "localhost",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_KEY": "AAAAAAAAAAAAAAAAAAAAAA==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}


def text(data: bytes, fin: bool = True) -> bytes:
    return Frame(Opcode.TEXT, data, fin).serialize(mask=True)


class Peer:
    """The client's end of a WebSocket, and the server's."""

    def __init__(self, room: Room, limits: WebSocketLimits = LIMITS) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.client = socket.create_connection(listener.getsockname())
            self._accepted, _ = listener.accept()
        handler = SimpleNamespace(
            connection=Connection(self._accepted, "peer", 5.0),
            take_over=lambda: b"",
            passed=lambda status, fields: fields,
        )
        self.server = WebSocket.accept({**FIELDS, "vibecell.handler": handler}, limits, room)
        self._sending: list[gevent.Greenlet] = []

    def send(self, data: bytes) -> None:
        """As fast as it is taken, while the test goes on."""
        self._sending.append(gevent.spawn(self._send, data))

    def _send(self, data: bytes) -> None:
        try:
            self.client.sendall(data)
        except OSError:
            return

    def end(self) -> None:
        gevent.killall(self._sending)
        self.client.close()
        self.server.leave()
        self._accepted.close()


@contextmanager
def peers(count: int, room: Room) -> Iterator[list[Peer]]:
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(Peer(room))
            stack.callback(made[-1].end)
        yield made


def settled(*peers: Peer) -> int:
    """What is held in all, once it changes no more."""
    before, now = -1, 0
    while now != before or not now:
        gevent.sleep(0.2)
        before, now = now, sum(peer.server.hold.held_bytes for peer in peers)
    return now


def wide_room() -> Room:
    return Room(1 << 30)


class TestInbox:
    def made(self, limit_bytes: int = 1000) -> tuple[Inbox[str], Hold]:
        hold = Hold(wide_room(), 0)
        return Inbox(limit_bytes, hold), hold

    def test_the_end_comes_after_everything_even_when_it_is_full(self) -> None:
        inbox, hold = self.made()
        for name in "abcd":
            inbox.put(name, 10, 1.0)
        with pytest.raises(TimeoutError):
            inbox.put("e", 10, 0.01)
        inbox.end()
        inbox.put("too late", 10, 1.0)
        assert [inbox.get() for _ in range(6)] == ["a", "b", "c", "d", None, None]
        assert (inbox.held_bytes, hold.held_bytes) == (0, 0)

    def test_who_waits_learns_of_the_end(self) -> None:
        inbox, _ = self.made()
        waiting = gevent.spawn(inbox.get)
        gevent.sleep(0.01)
        inbox.end()
        assert waiting.get(timeout=5) is None

    def test_who_cannot_put_learns_of_the_end(self) -> None:
        inbox, _ = self.made(1)
        inbox.put("a", 10, 1.0)
        waiting = gevent.spawn(inbox.put, "b", 10, 60.0)
        gevent.sleep(0.01)
        inbox.end()
        waiting.get(timeout=5)
        assert [inbox.get(), inbox.get()] == ["a", None]

    def test_small_things_are_not_free(self) -> None:
        inbox, _ = self.made(10 * ITEM_BYTES)
        with pytest.raises(TimeoutError):
            for number in range(11):
                inbox.put(str(number), 0, 0.01)

    def test_what_was_taken_counts_until_the_next_is(self) -> None:
        inbox, hold = self.made()
        inbox.put("a", 100, 1.0)
        assert inbox.get() == "a"
        assert hold.held_bytes == 100 + ITEM_BYTES
        with pytest.raises(TimeoutError):
            inbox.get(0.01)
        assert hold.held_bytes == 0

    def test_what_is_dropped_is_held_no_more(self) -> None:
        inbox, hold = self.made()
        for name in "ab":
            inbox.put(name, 100, 1.0)
        inbox.get()
        inbox.drop()
        assert (inbox.get(), hold.held_bytes) == (None, 0)


class TestHold:
    def test_only_what_is_beyond_the_free_bytes_is_of_the_owners_room(self) -> None:
        room = Room(100)
        holds = [Hold(room, 50) for _ in range(3)]
        for hold in holds:
            hold.take(50, 0.01)
        assert room.held_bytes == 0
        holds[0].take(70, 0.01)
        holds[1].take(30, 0.01)
        assert room.held_bytes == 100
        with pytest.raises(TimeoutError):
            holds[2].take(1, 0.01)
        holds[0].give(120)
        holds[2].take(70, 0.01)
        assert room.held_bytes == 100

    def test_who_waits_goes_on_when_there_is_room(self) -> None:
        room = Room(100)
        first, second = Hold(room, 0), Hold(room, 0)
        first.take(100, 0.01)
        waiting = gevent.spawn(second.take, 40, 60.0)
        gevent.sleep(0.01)
        assert not waiting.ready()
        first.give(60)
        waiting.get(timeout=5)
        assert room.held_bytes == 80

    def test_who_has_used_up_his_own_waits_for_nobody(self) -> None:
        room = Room(100)
        other, hold = Hold(room, 50), Hold(room, 50)
        other.take(150, 0.01)
        hold.take(50, 0.01)
        waiting = gevent.spawn(hold.take, 50, 60.0)
        gevent.sleep(0.01)
        hold.give(50)
        waiting.get(timeout=5)
        assert (hold.held_bytes, room.held_bytes) == (50, 100)


class TestUsersOfOneKey:
    def test_users_without_end_hold_no_more_together_than_their_key(self) -> None:
        of_key = Room(1000)
        for _ in range(100):
            hold = Hold(Room(300, of_key), 0)
            with suppress(TimeoutError):
                while True:
                    hold.take(10, 0.0)
        assert 900 <= of_key.held_bytes <= 1000

    def test_one_who_sends_without_end_leaves_room_for_the_others(self) -> None:
        of_key = Room(1000)
        flood, ann = Hold(Room(2000, of_key), 0), Hold(Room(2000, of_key), 0)
        flood.take(800, 0.0)
        with pytest.raises(TimeoutError):
            flood.take(1, 0.0)
        ann.take(150, 0.0)

    def test_what_one_connection_has_free_waits_for_none_of_them(self) -> None:
        of_key = Room(1000)
        flood, ann = Hold(Room(2000, of_key), 0), Hold(Room(2000, of_key), 50)
        flood.add(5000)  # as what has come becomes something larger
        ann.take(50, 0.0)
        with pytest.raises(TimeoutError):
            ann.take(1, 0.0)

    def test_who_waits_goes_on_when_another_user_gives_room_back(self) -> None:
        of_key = Room(1000)
        flood, ann = Hold(Room(2000, of_key), 0), Hold(Room(2000, of_key), 0)
        flood.take(800, 0.0)
        waiting = gevent.spawn(ann.take, 400, 60.0)
        gevent.sleep(0.01)
        assert not waiting.ready()
        flood.give(700)
        waiting.get(timeout=5)
        ann.give(400)
        flood.give(100)
        assert of_key.held_bytes == 0

    def test_a_gateway_counts_them_for_their_key_and_forgets_who_has_left(self) -> None:
        policy = Policy(owner_input_bytes=400, key_input_bytes=500)
        gateway = Gateway(None, policy)  # type: ignore[arg-type]
        ann, bob, other = (
            gateway.room(owner) for owner in (Owner("k", "ann"), Owner("k", "bob"), Owner("o"))
        )
        Hold(ann, 0).take(400, 0.0)
        assert (ann.left_bytes, bob.left_bytes, other.left_bytes) == (0, 80, 400)
        del ann, bob, other
        assert gateway.room(Owner("k", "carl")).left_bytes == 400


class TestWebSocket:
    @pytest.mark.parametrize(
        "flood",
        [
            pytest.param(text(b"x" * MESSAGE_BYTES) * 20, id="of large messages"),
            pytest.param(text(b"") * 200_000, id="of empty messages"),
            pytest.param(text(b"x" * (MESSAGE_BYTES - 1), fin=False), id="of one without an end"),
        ],
    )
    def test_what_one_sends_and_nobody_takes_is_bounded(self, flood: bytes) -> None:
        room = wide_room()
        with peers(1, room) as (peer,):
            peer.send(flood)
            held = settled(peer)
            assert held <= CONNECTION_BYTES
            assert room.held_bytes == max(0, held - LIMITS.free_bytes)
        assert room.held_bytes == 0

    def test_a_whole_message_that_waits_for_its_inbox_is_counted(self) -> None:
        room = wide_room()
        with peers(1, room) as (peer,):
            peer.send(text(b"x" * LIMITS.inbox_bytes) + text(b"x" * MESSAGE_BYTES))
            held = settled(peer)
            assert held >= LIMITS.inbox_bytes + MESSAGE_BYTES
            assert room.held_bytes == held - LIMITS.free_bytes

    def test_what_one_owner_sends_and_nobody_takes_is_bounded(self) -> None:
        room = Room(1_200_000)
        with (
            peers(16, room) as many,
            peers(1, room) as (small,),
            peers(1, Room(1_200_000)) as (other,),
        ):
            for peer in many:
                peer.send(text(b"x" * MESSAGE_BYTES) * 5)
            assert settled(*many) <= room.limit_bytes + len(many) * LIMITS.free_bytes
            small.send(text(b"hello"))
            assert small.server.receive(5) == b"hello"
            other.send(text(b"x" * MESSAGE_BYTES))
            assert len(other.server.receive(5)) == MESSAGE_BYTES
            # and as soon as somebody takes it, all of it arrives
            takers = [gevent.spawn(self._taken, peer, 5) for peer in many]
            assert [taker.get(timeout=30) for taker in takers] == [5 * MESSAGE_BYTES] * 16
        assert room.held_bytes == 0

    def _taken(self, peer: Peer, count: int) -> int:
        taken_bytes = sum(len(peer.server.receive(30)) for _ in range(count))
        with pytest.raises(TimeoutError):  # asking for more lets go of the last
            peer.server.receive(0.01)
        return taken_bytes

    def test_who_finds_no_room_for_long_is_told_so(self) -> None:
        room = Room(1)
        peer = Peer(room, WebSocketLimits(inbox_wait_s=0.1, free_bytes=1000, close_s=0.1))
        peer.send(text(b"x" * 5000))
        with pytest.raises(WebSocketClosed):
            peer.server.receive(10)
        gevent.sleep(0)
        assert b"messages arrive faster than they can be used" in peer.client.recv(4096)
        peer.end()

    @pytest.mark.parametrize(
        "last",
        [
            pytest.param(GOODBYE, id="a close frame"),
            pytest.param(text(b"x")[:-1], id="half a message"),
            pytest.param(b"\x81\x01x", id="a frame without a mask"),
            pytest.param(b"", id="nothing"),
        ],
    )
    def test_what_came_before_the_end_is_received(self, last: bytes) -> None:
        sent = [b"%d" % number * 10 for number in range(2000)]  # more than the inbox takes
        with peers(1, wide_room()) as (peer,):
            peer.send(b"".join(map(text, sent)) + last)
            gevent.sleep(0.05)
            peer.client.shutdown(socket.SHUT_WR)
            assert [peer.server.receive(5) for _ in sent] == sent
            with pytest.raises(WebSocketClosed):
                peer.server.receive(5)
            assert not peer.server.is_open

    def test_what_comes_after_a_broken_rule_is_not(self) -> None:
        binary = Frame(Opcode.BINARY, b"x").serialize(mask=True)
        with peers(1, wide_room()) as (peer,):
            peer.send(text(b"before") + binary + text(b"after"))
            assert peer.server.receive(5) == b"before"
            with pytest.raises(WebSocketClosed):
                peer.server.receive(5)


class _Deaf:
    """A conversation with a program that takes no input and ends never."""

    id = "abc"
    standing = Standing("abc", "running", 0, "utf-8", "continue")

    def __init__(self) -> None:
        self.over = Event()
        self.taken = Event()
        self.sent: list[Any] = []

    def events(self) -> Iterator[Any]:
        self.over.wait()
        yield from ()

    def send(self, control: Any) -> None:
        self.taken.wait()
        self.sent.append(control)

    def end_controls(self) -> None:
        self.over.set()

    def close(self) -> None:
        self.over.set()


class TestRelay:
    @pytest.fixture
    def relayed(self) -> Iterator[tuple[Peer, _Deaf, gevent.Greenlet]]:
        gateway, conversation = Gateway(None, Policy()), _Deaf()  # type: ignore[arg-type]
        peer = Peer(gateway.room(ME.owner), WebSocketLimits(close_s=0.1))
        relay = websocket_relay.Relay(gateway, peer.server, conversation, anonymous_caller())
        running = gevent.spawn(relay.run, False)
        yield peer, conversation, running
        gevent.kill(running)
        peer.end()
        assert gateway.room(ME.owner).held_bytes == 0

    def test_input_that_is_not_read_is_held_within_bounds(
        self, relayed: tuple[Peer, _Deaf, gevent.Greenlet], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_relay, "INPUT_WAIT_S", 60.0)
        peer, _, _ = relayed
        limits = WebSocketLimits()
        message = json.dumps({"type": "stdin", "data_base64": "eHh4" * 250_000}).encode()
        peer.send(text(message) * 20)
        # waiting input and the inbox, each with one message beyond, one arriving, one at hand
        bound = (
            websocket_relay.MAX_WAITING_INPUT_BYTES + limits.inbox_bytes + 4 * limits.message_bytes
        )
        assert len(message) < settled(peer) <= bound

    def test_the_end_of_a_client_waits_for_what_it_said(
        self, relayed: tuple[Peer, _Deaf, gevent.Greenlet]
    ) -> None:
        peer, conversation, running = relayed
        said = [{"type": "stdin", "data": f"{number}\n"} for number in range(50)]
        said.append({"type": "end_of_input"})
        peer.send(b"".join(text(json.dumps(each).encode()) for each in said) + GOODBYE)
        gevent.sleep(0.1)
        conversation.taken.set()
        running.get(timeout=10)
        assert len(conversation.sent) == len(said)
        assert b"".join(each.data for each in conversation.sent[:-1]) == b"".join(
            b"%d\n" % number for number in range(50)
        )

    def test_a_program_that_takes_nothing_does_not_keep_a_client_that_left(
        self, relayed: tuple[Peer, _Deaf, gevent.Greenlet], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_relay, "INPUT_WAIT_S", 0.1)
        peer, conversation, running = relayed
        peer.send(text(b'{"type":"stdin","data":"x"}') + GOODBYE)
        running.get(timeout=10)
        assert conversation.sent == []
