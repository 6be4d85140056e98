"""Whatever is planted where, nothing of it is in the log of a real service, on any level."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from .crashes_service import LiveService, serving, until
from .test_keys_served import Deployment, deployment

__all__ = ["deployment"]  # a fixture

PLANTED = "planted-7f3a9c"
#: Escaped or not, and as part of what a program is given.
CODE = f"""
import os, sys
print({PLANTED + "-output"!r}, flush=True)
print({PLANTED + "-error"!r}, file=sys.stderr)
open({PLANTED + "-left.txt"!r}, "w").write({PLANTED + "-kept"!r})
sys.stdin.read()
raise ValueError({PLANTED + "-raised"!r})
"""
RUN: dict[str, Any] = {
    "files": [
        {"path": "main.py", "content": CODE},
        {"path": f"{PLANTED}-name.txt", "content": f"{PLANTED}-content"},
    ],
    "language": "python",
    "entrypoint": "main.py",
    "stdin": f"{PLANTED}-stdin",
    "args": [f"{PLANTED}-argument"],
    "env": {"PLANTED": f"{PLANTED}-variable", f"{PLANTED.replace('-', '_')}": "x"},
}
HOSTILE = {
    "Cookie": f"session={PLANTED}-cookie",
    "User-Agent": f"{PLANTED}-agent",
    "Referer": f"http://example.org/{PLANTED}-page",
    "Idempotency-Key": f"{PLANTED}-idempotency",
    "X-Forwarded-For": f"{PLANTED}-forwarded",
    "Traceparent": f"{PLANTED}-trace",
}
REALLY = {"backend": "bubblewrap"}
USER = '{"event":"forged"} \u2028"a=b" user é'


@dataclass
class Logged:
    service: LiveService
    deployment: Deployment
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]


@pytest.fixture(params=["json", "text"])
def logged(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[Logged]:
    settings = {"log_level": "debug", "log_format": request.param}
    with (
        tempfile.NamedTemporaryFile() as file,
        open(file.name, "ab") as log,
        serving(
            1_988_000_000,
            stderr=log.fileno(),
            **REALLY,
            state_dir=str(deployment.state),
            **settings,
        ) as service,
    ):
        yield Logged(service, deployment, Path(file.name))


def _raw(service: LiveService, data: bytes) -> None:
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(data)
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass


def _ask_everything(service: LiveService, key: str) -> tuple[str, str]:
    """Runs of every way, refusals of every kind; a token and a ticket that were shown."""
    bearer = {"Authorization": f"Bearer {key}"}
    url = service.url

    def post(path: str, body: object, **headers: str) -> requests.Response:
        return requests.post(f"{url}{path}", json=body, headers={**bearer, **headers}, timeout=30)

    post("/execute", RUN, **HOSTILE).raise_for_status()
    asked = post("/execute", {"code": CODE, "user": USER})
    assert asked.status_code == 200, asked.text
    token = post("/v1/tokens", {"user": USER}).json()["token"]
    ticket = post("/v1/tickets", {}).json()["ticket"]
    post("/execute", {"code": CODE}, Authorization=f"Bearer {token}").raise_for_status()
    stream = f"{service.url.replace('http', 'ws')}/v1/executions/stream?ticket={ticket}"
    with connect(stream) as websocket:
        websocket.send(json.dumps({"type": "execute", **RUN}))
        for message in websocket:
            if json.loads(message).get("type") == "finished":
                break
    for wrong in (f"{PLANTED}-wrong-key", f"{key}x", f"{token}x"):
        post("/execute", RUN, Authorization=f"Bearer {wrong}")
    post(f"/v1/{PLANTED}-path?ticket={PLANTED}-query", RUN)
    post("/execute", {**RUN, f"{PLANTED}-field": 1, "env": {f"{PLANTED}=": "x"}})
    post("/execute", {**RUN, "language": f"{PLANTED}-language"})
    requests.get(f"{url}/v1/executions/{PLANTED}-id?ticket={ticket}", timeout=30)
    _raw(service, f"{PLANTED} /{PLANTED} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    _raw(service, f"GET / HTTP/1.1\r\n{PLANTED}\r\n\r\n".encode())
    _raw(service, f"GET / HTTP/1.1\r\nHost: {PLANTED}\r\n\r\n".encode())
    _raw(
        service,
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {PLANTED} a\x1b[2J\r\n\r\n".encode(),
    )
    return token, ticket


def test_nothing_that_was_planted_is_in_the_log(logged: Logged) -> None:
    service, made = logged.service, logged.deployment.keys("create", "shop")
    assert until(
        lambda: requests.get(f"{service.url}/v1/languages", timeout=5).status_code == 401, 10
    )
    token, ticket = _ask_everything(service, made["key"])
    assert until(lambda: logged.log.read_text().count("execution_id") >= 8, 30)
    assert service.stop() == 0
    said = logged.log.read_text()
    for secret in (PLANTED, made["key"], token, ticket, PLANTED.replace("-", "_")):
        assert secret not in said, [line for line in said.splitlines() if secret in line]
    assert "\x1b" not in said
    # there are lines of requests, refusals and executions, or nothing was shown by this
    for word in (
        "execution",
        "websocket_closed",
        "credential-wrong",
        "invalid-request",
        made["id"],
    ):
        assert word in said


def test_the_lines_of_a_request_and_of_its_execution_belong_together(
    deployment: Deployment,
) -> None:
    with (
        tempfile.NamedTemporaryFile() as file,
        open(file.name, "ab") as log,
        serving(
            1_988_000_000, stderr=log.fileno(), **REALLY, state_dir=str(deployment.state),
            log_level="info", log_format="json",
        ) as service,
    ):  # fmt: skip
        logged = Logged(service, deployment, Path(file.name))
        answer = requests.post(
            f"{service.url}/execute",
            json={"code": "print(6*7)", "user": USER},
            headers={"X-Request-Id": "shop-17"},
            timeout=30,
        )
        assert answer.headers["X-Request-Id"] == "shop-17"
        assert until(lambda: bool(logged.of("execution")), 30)
        (request,) = [x for x in logged.of("request") if x["request_id"] == "shop-17"]
        (execution,) = logged.of("execution")
        both = ("request_id", "execution_id", "key_id", "user", "address")
        assert [request[name] for name in both] == [execution[name] for name in both]
        assert request["user"] == USER and execution["verdict"] == "accepted"
        assert request["sent_bytes"] > len(answer.content)
        assert 0 < execution["run_ms"] <= execution["total_ms"]
        assert not [x for x in logged.lines() if x.get("route") == "/healthz"], "it is for debug"
        assert service.stop() == 0


def test_a_log_that_nobody_reads_holds_up_no_request(prepared: object) -> None:
    """The pipe is full after a moment; afterwards it is told how many lines were lost."""
    command = ["sh", "-c", "sleep 1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        try:
            with (
                serving(
                    1_988_000_000,
                    stderr=reader.stdin.fileno(),
                    log_level="debug",
                    log_format="json",
                ) as service,
                requests.Session() as session,
            ):
                began_s = time.monotonic()
                for _ in range(1000):
                    session.get(f"{service.url}/healthz", timeout=10).raise_for_status()
                assert (
                    session.post(
                        f"{service.url}/execute", json={"code": "print(1)"}, timeout=30
                    ).json()["output"]
                    == "1\n"
                )
                assert time.monotonic() - began_s < 60
                assert service.stop() == 0
        finally:
            reader.kill()
