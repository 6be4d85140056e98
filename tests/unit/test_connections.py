"""A gateway's connections: which end early, which answers end where, who is held back."""

import errno
import logging
import struct
import time
from collections.abc import Iterator
from dataclasses import replace

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from unit.served_gateway import HANDSHAKE, HOST, LIMITS, Served, got
from vibecell.gateway.http import idle_connections, turns
from vibecell.gateway.http.connection import Connection, network_of
from vibecell.gateway.http.idle_connections import IdleConnections

KEY = "0123456789abcdef-key"
OWNED = b"Authorization: Bearer " + KEY.encode() + b"\r\n"
PATIENT = replace(LIMITS, idle_s=30.0, header_s=30.0, body_s=30.0, discard_s=30.0)
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def accepting_fails_once(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """The next connection is not to be had at the first try."""
    accept = StreamServer.do_read
    failures = [error]

    def failing(server: StreamServer) -> object:
        if failures:
            raise failures.pop()
        return accept(server)

    monkeypatch.setattr(StreamServer, "do_read", failing)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.end()


@pytest.fixture
def crowded() -> Iterator[Served]:
    """Room for six, of which one place is kept free."""
    made = Served(PATIENT, connections=6, api_keys=(KEY,))
    yield made
    made.end()


def owned(path: str) -> bytes:
    return got(path)[:-2] + OWNED + b"\r\n"


def answered(client: socket.socket, asked: bytes) -> bytes:
    """The head of the answer, and what of its body has come with it."""
    client.sendall(asked)
    told: bytes = client.recv(65536)
    return told


def has_ended(client: socket.socket) -> bool:
    """Whether the gateway has closed this connection; waits a moment for that."""
    client.settimeout(0.1)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    finally:
        client.settimeout(5)


def opened(served: Served, first: bytes = b"") -> socket.socket:
    client = served.open()
    if first:
        client.sendall(first)
    gevent.sleep(0.02)  # accepted before the next one
    return client


class TestRoom:
    def test_strangers_that_are_idle_longest_make_room(self, crowded: Served) -> None:
        idle = [opened(crowded) for _ in range(8)]
        assert answered(opened(crowded), got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert [has_ended(each) for each in idle] == [True] * 4 + [False] * 4
        assert crowded.endings() == {"room": 4}

    def test_those_of_an_owner_go_last(self, crowded: Served) -> None:
        known = opened(crowded)
        assert answered(known, owned("/v1/languages")).startswith(b"HTTP/1.1 200 ")
        strangers = [opened(crowded) for _ in range(7)]
        assert not has_ended(known)
        assert [has_ended(each) for each in strangers] == [True] * 3 + [False] * 4
        for _ in range(9):  # of the same owner: now the one that is idle longest is known
            each = opened(crowded)
            assert answered(each, owned("/v1/languages")).startswith(b"HTTP/1.1 200 ")
        assert has_ended(known)

    def test_a_refused_key_does_not_make_known(self, crowded: Served) -> None:
        stranger = opened(crowded)
        assert answered(stranger, got("/v1/languages")).startswith(b"HTTP/1.1 401 ")
        for _ in range(6):
            opened(crowded)
        assert has_ended(stranger)

    def test_none_in_the_middle_of_a_request_goes(self, crowded: Served) -> None:
        body = b'{"language":"python","code":"1"}'
        head = b"POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST + OWNED
        asking = opened(crowded, head + b"Content-Length: %d\r\n\r\n" % len(body))
        for _ in range(8):
            opened(crowded)
        assert answered(asking, body).startswith(b"HTTP/1.1 200 ")

    def test_a_request_that_waits_for_its_turn_is_not_idle(
        self, crowded: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[int, bool]] = []
        idle = crowded.server.idle
        own = Connection.take_turn

        def looked_at(connection: Connection, size_bytes: int = 0) -> None:
            if size_bytes:  # read, and not in the handler's hands yet
                seen.append((idle.make_room(1), idle.has(connection)))
            own(connection, size_bytes)

        asking = opened(crowded)
        monkeypatch.setattr(Connection, "take_turn", looked_at)
        assert answered(asking, got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert seen[0] == (0, False)

    def test_a_header_that_has_just_begun_stays(self, crowded: Served) -> None:
        begun = opened(crowded, got("/healthz")[:-1])
        for _ in range(8):
            opened(crowded)
        assert answered(begun, b"\n").startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize(
        "begun",
        [
            b"GET /heal",
            b"POST /execute HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n",
        ],
    )
    def test_what_never_comes_to_its_end_holds_nobody_up(
        self, crowded: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
    ) -> None:
        monkeypatch.setattr(idle_connections, "LATE_S", 0.0)
        for _ in range(12):
            opened(crowded, begun)
        assert answered(opened(crowded), got("/healthz")).startswith(b"HTTP/1.1 200 ")

    def test_a_stranger_whose_request_is_whole_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idle_connections, "LATE_S", 0.0)
        near, far = socket.socketpair()
        asking, idle = Connection(near, "192.0.2.1", 1.0), IdleConnections()
        with near, far:
            idle.waits(asking)
            idle.begins(asking)
            idle.is_busy(asking)
            assert idle.make_room(1) == 0
            idle.begins(asking)
            assert idle.make_room(1) == 1

    def test_one_that_was_just_sent_a_request_stays(self, crowded: Served) -> None:
        busy = opened(crowded)
        for _ in range(4):
            opened(crowded)
        busy.sendall(got("/healthz"))  # and nobody has looked yet
        assert crowded.server.idle.make_room(1) == 1
        assert crowded.server.idle.make_room(1) == 0  # that one is about to leave
        assert busy.recv(65536).startswith(b"HTTP/1.1 200 ")

    def test_a_burst_ends_no_more_than_it_needs(self, crowded: Served) -> None:
        idle = [opened(crowded) for _ in range(5)]
        newcomers = [crowded.open() for _ in range(2)]  # at once
        for each in newcomers:
            assert answered(each, got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert sum(has_ended(each) for each in idle) == 2

    def test_where_no_file_can_be_opened_any_more_idle_ones_make_room(
        self, crowded: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        idle = [opened(crowded) for _ in range(3)]
        accepting_fails_once(monkeypatch, OSError(errno.EMFILE, "too many open files"))
        assert answered(opened(crowded), got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert [has_ended(each) for each in idle] == [True, False, False]


class TestEnds:
    """Networks end connections: that is counted, and no incident."""

    @pytest.fixture(autouse=True)
    def nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level(logging.DEBUG):
            yield
        told = caplog.get_records("call")
        # a request's line is no incident
        assert [r for r in told if r.levelno > logging.INFO or r.exc_info] == []

    def reset(self, served: Served, said: bytes, wait_s: float = 0.0) -> None:
        client = served.open()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        client.sendall(said)
        gevent.sleep(wait_s)
        client.close()
        gevent.sleep(0.05)

    @pytest.mark.parametrize("wait_s", [0.0, 0.05])
    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"GET /heal",
            got("/healthz"),
            got("/v1/executions/known/events"),
            b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n",
            b"GET /v1/executions/known/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n",
            b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n\x81\x85",
        ],
    )
    def test_a_client_that_resets(
        self, served: Served, said: bytes, wait_s: float, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.reset(served, said, wait_s)
        assert capfd.readouterr().err == ""
        if not wait_s:  # otherwise the gateway may have ended it before
            assert served.endings() == {"reset": 1}

    def test_a_client_that_resets_while_it_is_told_that_it_is_a_websocket(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send_all = Connection.send_all

        def failing(connection: Connection, data: bytes) -> None:
            if data.startswith(b"HTTP/1.1 101 "):
                raise ConnectionResetError(errno.ECONNRESET, "reset")
            send_all(connection, data)

        monkeypatch.setattr(Connection, "send_all", failing)
        asked = b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"
        client = served.open()
        client.sendall(asked)
        assert client.recv(100) == b""

    def test_a_client_that_resets_before_it_is_accepted(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        aborted = ConnectionAbortedError(errno.ECONNABORTED, "aborted")
        accepting_fails_once(monkeypatch, aborted)
        assert answered(served.open(), got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert capfd.readouterr().err == ""
        assert served.endings() == {"reset": 1}

    def test_one_that_takes_nothing(self) -> None:
        served = Served(replace(LIMITS, stall_s=0.1))
        client = served.open()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = got("/openapi.json")
        end = time.monotonic() + 10
        while not served.endings() and time.monotonic() < end:
            try:
                client.settimeout(0.2)
                client.sendall(asked * 20)
            except OSError:  # nobody reads any more
                gevent.sleep(0.05)
        assert served.endings() == {"stalled": 1}
        served.end()

    def test_one_that_is_silent(self) -> None:
        served = Served(replace(LIMITS, idle_s=0.05))
        assert has_ended(served.open())
        assert served.endings() == {"idle": 1}
        served.end()

    def test_one_that_leaves_is_no_end_to_be_counted(self, served: Served) -> None:
        assert served.told(got("/healthz")).startswith(b"HTTP/1.1 200 ")
        gevent.sleep(0.05)
        assert served.endings() == {}


class TestAnswersThatEnd:
    def test_head_of_a_stream_has_no_body_and_no_end_of_one(self, served: Served) -> None:
        told = served.told(got("/v1/executions/known/events", "HEAD") + got("/nowhere"))
        first, _, rest = told.partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200 ")
        assert not rest or rest.startswith(b"HTTP/1.1 404 ")
        assert b"\r\n0\r\n" not in told

    @pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/docs", "/v1/languages"])
    def test_head_has_no_body(self, served: Served, path: str) -> None:
        with served.open() as client:
            client.sendall(got(path, "HEAD")[:-2] + b"Connection: close\r\n\r\n")
            told = b""
            while piece := client.recv(65536):
                told += piece
        assert told.endswith(b"\r\n\r\n") and told.count(b"\r\n\r\n") == 1

    def test_a_refusal_of_head_has_no_body(self, served: Served) -> None:
        told = served.told(b"HEAD / HTTP/1.1\r\nno field\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 400 ") and told.endswith(b"\r\n\r\n")

    def test_a_stream_over_http_1_0_ends_with_its_connection(self, served: Served) -> None:
        asked = b"GET /v1/executions/known/events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        with served.open() as client:
            client.sendall(asked)
            told = b""
            while piece := client.recv(65536):
                told += piece
        head, _, body = told.partition(b"\r\n\r\n")
        assert b"\r\nConnection: close" in head and b"keep-alive" not in head
        assert body.count(b"\n") == 1


class TestUpgrades:
    STREAM = b"/v1/executions/stream"

    @pytest.mark.parametrize(
        ("method", "version", "more"),
        [
            (b"HEAD", b"HTTP/1.1", b""),
            (b"GET", b"HTTP/1.0", b""),
            (b"GET", b"HTTP/1.1", b"Content-Length: 6\r\n"),
            (b"GET", b"HTTP/1.1", b"Transfer-Encoding: chunked\r\n"),
        ],
    )
    def test_what_is_no_handshake(
        self, served: Served, method: bytes, version: bytes, more: bytes
    ) -> None:
        line = method + b" " + self.STREAM + b" " + version + b"\r\n"
        told = served.told(line + HANDSHAKE + more + b"\r\n")
        assert told.startswith(b"HTTP/1.1 426 ")


class TestHeaderBound:
    @pytest.mark.parametrize(("more", "status"), [(0, b"200"), (1, b"431")])
    def test_it_is_met_to_the_byte(self, served: Served, more: int, status: bytes) -> None:
        asked = got("/healthz")[:-2] + b"X: "
        filled = asked + b"x" * (LIMITS.header_bytes - len(asked) - 4 + more) + b"\r\n\r\n"
        assert len(filled) == LIMITS.header_bytes + more
        assert served.told(filled).startswith(b"HTTP/1.1 " + status)

    def test_what_came_before_does_not_count(self, served: Served) -> None:
        asked = got("/healthz")[:-2] + b"X: " + b"x" * (LIMITS.header_bytes // 2) + b"\r\n\r\n"
        with served.open() as client:
            client.sendall(asked * 6)
            told = b""
            while told.count(b"HTTP/1.1 200 ") < 6:
                piece = client.recv(65536)
                assert piece, told
                told += piece


def test_requests_before_the_answer_are_read_so_many_a_second(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PIPELINED_PER_S", 3)
    began_s = time.monotonic()
    with served.open() as client:
        client.sendall(got("/healthz") * 8)  # one, three, three and one
        told = b""
        while told.count(b"HTTP/1.1 200 ") < 8:
            piece = client.recv(65536)
            assert piece, told
            told += piece
    assert time.monotonic() - began_s >= 2.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("unix", "unix", True),
    ],
)
def test_who_is_one_peer(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


class TestRefusals:
    @pytest.fixture
    def strict(self) -> Iterator[Served]:
        made = Served(api_keys=(KEY,), refused_per_minute=3)
        yield made
        made.end()

    @pytest.mark.parametrize(
        "wrong",
        [got("/v1/languages"), got("/nowhere"), b"nonsense\r\n\r\n", got("/execute", "PUT")],
    )
    def test_who_is_refused_too_often_is_held_back(self, strict: Served, wrong: bytes) -> None:
        told = [strict.told(wrong) for _ in range(5)]
        assert all(b" 429 " not in each.partition(b"\r\n")[0] for each in told[:3])
        for each in told[3:]:
            assert each.startswith(b"HTTP/1.1 429 ")
            assert b"\r\nRetry-After: " in each and b"\r\nConnection: close\r\n" in each
            assert b"\r\nX-Made-Up: 429\r\n" in each  # it has passed the chain, once

    def test_a_connection_of_such_a_one_ends(self, strict: Served) -> None:
        with strict.open() as client:
            client.sendall(got("/v1/languages") * 10)
            told = b""
            while piece := client.recv(65536):
                told += piece
        assert told.count(b"HTTP/1.1 401 ") == 3 and told.count(b"HTTP/1.1 429 ") == 1

    def test_others_from_its_address_are_served(self, strict: Served) -> None:
        for _ in range(5):
            strict.told(got("/v1/languages"))
        assert strict.told(got("/healthz")).startswith(b"HTTP/1.1 200 ")
        assert strict.told(owned("/v1/languages")).startswith(b"HTTP/1.1 200 ")

    def test_what_an_owner_is_refused_does_not_count(self, strict: Served) -> None:
        for _ in range(5):
            told = strict.told(owned("/v1/executions/unknown"))
            assert told.startswith(b"HTTP/1.1 404 ")
        assert strict.told(got("/nowhere")).startswith(b"HTTP/1.1 404 ")

    def test_an_owner_on_the_same_connection_does_not_excuse_it(self, strict: Served) -> None:
        with strict.open() as client:
            client.sendall(owned("/v1/languages") + got("/v1/languages") * 10)
            told = b""
            while piece := client.recv(65536):
                told += piece
        assert told.count(b"HTTP/1.1 401 ") == 3 and told.count(b"HTTP/1.1 429 ") == 1
