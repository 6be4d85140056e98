"""What a platform grants its users, over every door; and what is told of use while it runs."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from integration.live import Service
from owners import wait_for_a_day

KEY = "the-key-of-a-platform-0"
FOR_EVER = {"code": "while True: pass", "on_disconnect": "continue"}


class Platform:
    """A key, and the users it makes tokens for."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def ask(
        self, method: str, path: str, credential: str, body: object = None, **fields: str
    ) -> requests.Response:
        fields["Authorization"] = f"Bearer {credential}"
        url = self.service.url + path
        return requests.request(method, url, json=body, headers=fields, timeout=20)

    def token(self, user: str, **limits: object) -> str:
        answer = self.ask("POST", "/v1/tokens", KEY, {"user": user, "limits": limits})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ran(self, token: str, code: str) -> Any:
        answer = self.ask("POST", "/execute", token, {"code": code})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def begun(self, token: str, **body: object) -> str:
        answer = self.ask("POST", "/v1/executions", token, body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def socket(self, token: str) -> ClientConnection:
        offered: Any = ["vibecell.v1", f"vibecell.token.{token}"]
        url = f"{self.service.ws}/v1/executions/stream"
        return connect(url, proxy=None, subprotocols=offered)

    def refusals(self, token: str) -> list[dict[str, Any]]:
        """The problem that each door answers with."""
        problems = []
        for path in ("/execute", "/v1/executions"):
            answer = self.ask("POST", path, token, {"code": "print(1)"})
            assert answer.status_code == 429
            assert answer.headers["Content-Type"] == "application/problem+json"
            problems.append(answer.json())
            assert int(answer.headers["Retry-After"]) == problems[-1]["retry_after_s"]
        with self.socket(token) as socket:
            socket.send(json.dumps({"type": "execute", "code": "print(1)"}))
            problems.append(json.loads(socket.recv(10))["problem"])
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4429
        assert {p["type"] for p in problems} == {"urn:vibecell:problem:limit-reached"}
        return problems


@pytest.fixture(autouse=True)
def day() -> None:
    """What is used up by one is so still when it is looked at."""
    wait_for_a_day()


@pytest.fixture(scope="module")
def platform(make_shared_service: Callable[..., Service]) -> Iterator[Platform]:
    yield Platform(make_shared_service(policy={"api_keys": [KEY]}))


def test_a_users_day_is_used_up_over_every_door_and_over_no_other_users(platform: Platform) -> None:
    ann = platform.token("ann", cpu_ms_per_day=1000)
    assert platform.ran(ann, "work(0.6)")["verdict"] == "accepted"
    last = platform.ran(ann, "work(0.6)")
    assert last["verdict"] == "time_limit_exceeded"
    assert "no more processor time of the day was left" in last["error"]
    to_midnight_s = 86_400 - time.time() % 86_400
    for problem in platform.refusals(ann):
        assert problem["detail"].startswith("the user's processor time of the day (1 s) is used up")
        assert (problem["retry_after_s"] - to_midnight_s) % 86_400 < 20 or (
            to_midnight_s - problem["retry_after_s"]
        ) % 86_400 < 20
    # another token is no new day
    for problem in platform.refusals(platform.token("ann", cpu_ms_per_day=900)):
        assert "the user's processor time" in problem["detail"]
    bob = platform.token("bob", cpu_ms_per_day=1000)
    assert platform.ran(bob, "work(0.6)")["verdict"] == "accepted"


def test_a_users_executions_at_once_are_his_over_every_door(platform: Platform) -> None:
    eve = platform.token("eve", concurrent=1)
    running = platform.begun(eve, **FOR_EVER)
    for problem in platform.refusals(eve):
        assert problem["detail"].startswith("at most 1 executions at once are the user's")
    assert platform.ran(platform.token("mallory", concurrent=1), "print(1)")["success"]
    assert platform.ask("DELETE", f"/v1/executions/{running}", eve).status_code == 204
    for _ in range(3):  # one after the other, as soon as there is an answer
        deadline = time.monotonic() + 10
        while platform.ask("GET", f"/v1/executions/{running}", eve).json()["state"] != "finished":
            assert time.monotonic() < deadline
        assert platform.ran(eve, "print(1)")["success"]


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
def test_use_is_told_while_a_program_runs(platform: Platform, accept: str) -> None:
    token = platform.token("ann")
    body = {"code": "work(0.25)\nprint(1)\nsleep(0.6)", "usage_interval_ms": 100}
    path = f"/v1/executions/{platform.begun(token, **body)}/events"
    text = platform.ask("GET", path, token, Accept=accept).text
    lines = (line.removeprefix("data: ") for line in text.splitlines())
    _check([json.loads(line) for line in lines if line.startswith("{")])


def test_use_is_told_on_a_websocket(platform: Platform) -> None:
    told = []
    with platform.socket(platform.token("ann")) as socket:
        body = {"code": "work(0.25)\nprint(1)\nsleep(0.6)", "usage_interval_ms": 100}
        socket.send(json.dumps({"type": "execute", **body}))
        while not told or told[-1]["type"] != "finished":
            told.append(json.loads(socket.recv(10)))
    assert told[0]["type"] == "accepted"
    _check(told[1:])


def _check(events: list[dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "finished"
    samples = [event for event in events if event["type"] == "usage"]
    assert 2 <= len(samples) <= 6
    for sample in samples:
        assert (sample["stage"], sample["usage"]["cpu_time_ms"]) == ("run", 251.0)
        assert sample["usage"]["output_bytes"] == 2
    times_ms = [sample["usage"]["wall_time_ms"] for sample in samples]
    assert times_ms == sorted(times_ms)


def test_a_platforms_many_users_do_not_take_every_connection(
    make_service: Callable[..., Service],
) -> None:
    other = "the-key-of-another-one-0"
    service = make_service(policy={"api_keys": (KEY, other), "concurrent": 5})
    platform, body = Platform(service), {"code": "print(1)"}
    tokens = [platform.token(f"user {number}") for number in range(6)]
    with contextlib.ExitStack() as open_still:
        for token in tokens[:5]:
            open_still.enter_context(platform.socket(token))
        answer = platform.ask("POST", "/execute", tokens[5], body)
        assert answer.status_code == 429
        told = "requests and streams that this key holds open: at most 5"
        assert answer.json()["detail"] == told
        assert platform.ask("POST", "/execute", other, body).status_code == 200


def test_a_user_who_floods_leaves_room_for_another_of_the_same_key(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(policy={"api_keys": (KEY,), "concurrent": 5})
    platform, body = Platform(service), {"code": "print(1)"}
    flood, ann = platform.token("flood"), platform.token("ann")
    with contextlib.ExitStack() as open_still:
        for _ in range(10):
            open_still.enter_context(platform.socket(flood))
        answer = platform.ask("POST", "/execute", flood, body)
        assert answer.status_code == 429
        assert "this user holds open" in answer.json()["detail"]
        assert platform.ask("POST", "/execute", ann, body).status_code == 200
