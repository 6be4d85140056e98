"""A gateway behind a proxy that it trusts: who is counted, who is local, who is not believed."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from unit.served_gateway import HANDSHAKE, HOST, Served, posted
from vibecell.model.access import Access
from vibecell.model.errors import InvalidRequest

KEY = "0123456789abcdef-key"
CODE = b'{"language":"python","code":"1"}'
ELSEWHERE = "203.0.113.7"


@pytest.fixture
def trusting() -> Iterator[Served]:
    made = Served(trusted_proxies=("127.0.0.0/8",), connections_per_peer=2, api_keys=(KEY,))
    yield made
    made.end()


def _run(**fields: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return posted("/execute", CODE, fields=lines)


def _status(told: bytes) -> int:
    return int(told.split()[1])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"X_Forwarded_For": ELSEWHERE},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": f"127.0.0.1, {ELSEWHERE}"},
        {"Forwarded": "for=127.0.0.1"},
        {"Forwarded": 'for="[::1]"'},
        {"Forwarded": 'for="127.0.0.1'},
        {"X_Forwarded_For": "unix"},
    ],
)
def test_a_proxy_on_this_machine_makes_nobody_local(fields: dict[str, str]) -> None:
    served = Served(trusted_proxies=("127.0.0.0/8",))
    try:
        assert _status(served.told(_run(**fields))) == 403
        asked = b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE
        lines = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in fields.items())
        assert _status(served.told(asked + lines.encode() + b"\r\n")) == 403
        metrics = b"GET /metrics HTTP/1.1\r\n" + HOST + lines.encode() + b"\r\n"
        assert _status(served.told(metrics)) in (401, 403)
    finally:
        served.end()


@pytest.mark.parametrize("trusted", [(), ("unix",)])
def test_a_proxy_may_come_by_a_unix_socket(tmp_path: Path, trusted: tuple[str, ...]) -> None:
    served = Served(path=str(tmp_path / "gateway"), trusted_proxies=trusted)
    try:
        for fields in ({}, {"X_Forwarded_For": ELSEWHERE}, {"X_Forwarded_For": "unix"}):
            assert _status(served.told(_run(**fields))) == (403 if trusted else 200)
    finally:
        served.end()


def test_what_an_untrusted_peer_says_of_others_changes_nothing() -> None:
    served = Served(trusted_proxies=("192.0.2.0/24",))
    try:
        assert _status(served.told(_run(X_Forwarded_For=ELSEWHERE, Forwarded="for=x"))) == 200
    finally:
        served.end()
    served = Served(api_keys=(KEY,), wrong_keys_per_minute=1)
    try:
        for n in range(3):
            told = served.told(_run(Authorization="Bearer wrong", X_Forwarded_For=f"192.0.2.{n}"))
        assert _status(told) == 429
    finally:
        served.end()


def test_wrong_keys_are_counted_for_who_sends_them() -> None:
    served = Served(
        trusted_proxies=("127.0.0.1",), api_keys=(KEY,), wrong_keys_per_minute=1, concurrent=9
    )
    try:
        wrong = {"Authorization": "Bearer wrong"}
        for n, status in ((1, 401), (2, 429)):
            spoofed = _run(X_Forwarded_For=f"192.0.2.{n}, {ELSEWHERE}", **wrong)
            assert _status(served.told(spoofed)) == status
        assert _status(served.told(_run(X_Forwarded_For="203.0.113.8", **wrong))) == 401
    finally:
        served.end()


def test_refusals_are_counted_for_who_is_refused() -> None:
    served = Served(trusted_proxies=("127.0.0.1",), api_keys=(KEY,), refused_per_minute=1)
    try:
        told = [served.told(_run(X_Forwarded_For=ELSEWHERE)) for _ in range(2)]
        assert [_status(each) for each in told] == [401, 429]
        assert _status(served.told(_run(X_Forwarded_For="203.0.113.8"))) == 401
    finally:
        served.end()


def test_a_proxy_may_have_more_connections_than_a_client(trusting: Served) -> None:
    idle = [trusting.open() for _ in range(10)]
    gevent.sleep(0.05)
    asked = _run(Authorization=f"Bearer {KEY}", X_Forwarded_For=ELSEWHERE)
    assert _status(trusting.told(asked)) == 200
    assert len(idle) == 10


def test_requests_of_one_client_behind_a_proxy_are_bounded(trusting: Served) -> None:
    half = _run(Authorization=f"Bearer {KEY}", X_Forwarded_For=ELSEWHERE)[:-1]
    opened = [trusting.open() for _ in range(2)]
    for each in opened:
        each.sendall(half)
    gevent.sleep(0.05)
    asked = {"Authorization": f"Bearer {KEY}"}
    refused = trusting.told(_run(X_Forwarded_For=f"192.0.2.1, {ELSEWHERE}", **asked))
    assert _status(refused) == 429
    assert b"\r\nRetry-After: 1\r\n" in refused
    assert _status(trusting.told(_run(X_Forwarded_For="203.0.113.8", **asked))) == 200
    for each in opened:  # which leave their bodies half sent
        each.close()
    gevent.sleep(0.05)
    for _ in range(5):
        assert _status(trusting.told(_run(X_Forwarded_For=ELSEWHERE, **asked))) == 200


def test_each_request_of_a_proxys_connection_has_a_client_of_its_own(trusting: Served) -> None:
    with trusting.open() as proxy:
        for n in range(8):
            asked = _run(Authorization=f"Bearer {KEY}", X_Forwarded_For=f"203.0.113.{n}")
            proxy.sendall(asked)
            assert _status(proxy.recv(65536)) == 200
        proxy.sendall(_run(X_Forwarded_For=ELSEWHERE))
        assert _status(proxy.recv(65536)) == 401


@pytest.mark.parametrize("wrong", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", "", "*"])
def test_what_is_no_network_of_proxies_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidRequest, match="trusted_proxies"):
        Access(trusted_proxies=("10.0.0.0/8", wrong))
