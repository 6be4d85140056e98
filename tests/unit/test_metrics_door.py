"""The listener of metrics: what it serves, and whom it does not."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import socket

from vibecell.cli.listening import metrics_listener
from vibecell.config import ConfigError, Settings
from vibecell.gateway.answer_steps import metrics_chain
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.metrics_door import metrics_server
from vibecell.model.errors import PlatformError

from .served_gateway import Served


class Door:
    """The listener of one gateway, at an address or a path."""

    def __init__(self, settings: Settings) -> None:
        self.served = Served()
        self._listening = metrics_listener(settings)
        listener = self._listening.__enter__()
        assert listener is not None
        self.address = listener.getsockname()
        self._family = listener.family
        own = socket.socket(fileno=os.dup(listener.fileno()))  # one that is cooperative
        self.server: GatewayServer = metrics_server(self.served.gateway, own, metrics_chain())
        self.server.start()

    def told(self, method: str = "GET", path: str = "/metrics", *fields: str) -> tuple[int, bytes]:
        lines = "".join(f"{field}\r\n" for field in fields)
        named = any(field.startswith("Host:") for field in fields)
        host = "" if named else "Host: localhost\r\n"
        with socket.socket(self._family) as client:
            client.settimeout(10)
            client.connect(self.address)
            client.sendall(f"{method} {path} HTTP/1.1\r\n{host}{lines}\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            whole = b"".join(iter(lambda: client.recv(65536), b""))
        return int(whole.split()[1]), whole

    def end(self) -> None:
        self.server.stop(timeout=0.2)
        self._listening.__exit__(None, None, None)
        self.served.end()


@pytest.fixture(params=["address", "path"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    where = "127.0.0.1:0" if request.param == "address" else str(tmp_path / "metrics.sock")
    made = Door(Settings(metrics_listen=where))
    yield made
    made.end()


def test_metrics_are_served_there_to_who_shows_nothing(door: Door) -> None:
    status, whole = door.told()
    assert status == 200
    assert b"vibecell_ready 1.0" in whole
    assert b"Content-Type: text/plain" in whole
    assert door.told("HEAD")[1].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics/",
        "/metrics/..",
        "//metrics",
        "/healthz",
        "/readyz",
        "/execute",
        "/v1/languages",
        "/v1/executions",
        "/openapi.json",
        "/docs",
        "/assets/../metrics",
    ],
)
def test_nothing_else_is(door: Door, path: str) -> None:
    status, whole = door.told("GET", path)
    assert status in (400, 404)
    assert b"vibecell_" not in whole


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"])
def test_it_is_only_read(door: Door, method: str) -> None:
    status, whole = door.told(method)
    assert status in (400, 405, 501)
    assert b"vibecell_" not in whole


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: localhost",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Via: 1.1 proxy",
        "Origin: http://localhost",
        "Origin: null",
        "Referer: http://localhost/",
        "Sec-Fetch-Site: same-origin",
    ],
)
def test_what_a_proxy_passes_on_or_a_page_asks_is_refused(door: Door, field: str) -> None:
    status, whole = door.told("GET", "/metrics", field)
    assert status == 403
    assert b"vibecell_" not in whole


def test_a_page_that_gave_its_name_a_loopback_address_is_refused(tmp_path: Path) -> None:
    door = Door(Settings(metrics_listen="127.0.0.1:0"))
    try:
        for host in ("rebound.example", "rebound.example:9464"):
            assert door.told("GET", "/metrics", f"Host: {host}")[0] == 421
        assert door.told("GET", "/metrics", "Host: 127.0.0.1:9464")[0] == 200
    finally:
        door.end()


def test_who_reads_there_changes_no_count(door: Door) -> None:
    def requests(text: bytes) -> list[bytes]:
        return [line for line in text.splitlines() if b"vibecell_http_requests_total{" in line]

    first = requests(door.told()[1])
    door.told("GET", "/nothing")
    assert requests(door.told()[1]) == first


def test_a_path_is_for_its_owner_and_group_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    for _ in range(2):  # one that nobody removed is replaced
        with metrics_listener(Settings(metrics_listen=str(path))) as listener:
            assert listener is not None
            assert path.stat().st_mode & 0o777 == 0o660
        assert not path.exists()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))


def test_a_file_that_is_there_is_not_taken_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    path.write_text("mine")
    with (
        pytest.raises(PlatformError, match="is no socket"),
        metrics_listener(Settings(metrics_listen=str(path))),
    ):
        pass
    assert path.read_text() == "mine"


def test_an_address_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(PlatformError, match=f"listen on {where}"),
            metrics_listener(Settings(metrics_listen=where)),
        ):
            pass


@pytest.mark.parametrize(
    "text",
    [
        *("9464", "127.0.0.1", "127.0.0.1:65536", ":9464", "::1:9464", "[x]:1", "run/metrics"),
        *("/run/", "/" + "x" * 107, "host:port", "127.0.0.1:9464/metrics", "a b:1"),
    ],
)
def test_what_is_no_place_to_listen_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="metrics_listen"):
        Settings(metrics_listen=text)


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:9464", "localhost:0", "/run/m.sock"])
def test_a_place_to_listen_is_taken(text: str) -> None:
    assert Settings(metrics_listen=text).metrics_listen == text


def test_whatever_clients_send_there_are_no_more_series() -> None:
    served = Served()

    def series() -> set[bytes]:
        text = served.gateway.metrics.text(served.gateway.executor, 0)
        return {line.rpartition(b" ")[0] for line in text.splitlines() if b"#" not in line[:1]}

    def sent(word: str) -> None:
        for asked in (
            f"{word} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET /{word} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET /v1/executions/{word} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: {word}.example\r\n\r\n",
            f"GET /docs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {word}\r\n\r\n",
            f"GET /v1/languages HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {word}\r\n\r\n",
        ):
            served.told(asked.encode())

    try:
        sent("FIRST")
        before = series()
        for number in range(10):
            sent(f"OTHER{number}")
        assert series() == before
    finally:
        served.end()
