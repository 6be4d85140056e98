"""A rate is one, through whichever doors its executions begin."""

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from integration.live import Service

PROGRAM = {"code": "print(1)"}
Begin = Callable[[Service, dict[str, str]], tuple[int, dict[str, Any]]]


def _post(path: str, **more: str) -> Begin:
    def begin(service: Service, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        answer = requests.post(
            service.url + path, json=PROGRAM, headers={**headers, **more}, timeout=20
        )
        if answer.status_code in (429, 503):
            assert int(answer.headers["Retry-After"]) == answer.json()["retry_after_s"] >= 1
        return answer.status_code, answer.json()

    return begin


def _websocket(service: Service, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    url = f"{service.ws}/v1/executions/stream"
    told: dict[str, Any] = {}
    with connect(url, proxy=None, additional_headers=headers) as websocket:
        with contextlib.suppress(ConnectionClosed):  # which may be told before anything is said
            websocket.send(json.dumps({"type": "execute", **PROGRAM}))
        try:
            while True:
                told = json.loads(websocket.recv(20))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            if closed.rcvd.code == 1000:
                return 200, told
            assert told["type"] == "error"
            return closed.rcvd.code - 4000, told["problem"]


DOORS: list[Begin] = [
    _post("/execute"),
    _post("/%65xecute"),
    _post("/v1/executions"),
    _post("/v1/executions", Prefer="wait=10"),
    _websocket,
]


def test_a_rate_is_used_up_through_all_doors_together_and_refuses_at_each(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(policy={"begun_per_minute": len(DOORS)})
    for door in DOORS:
        status, told = door(service, {})
        assert status in (200, 202), told
    for door in DOORS:
        status, told = door(service, {})
        assert (status, told["detail"]) == (429, "executions of this key: at most 5/minute")
        assert told["type"] == "urn:vibecell:problem:limit-reached"
        assert 1 <= told["retry_after_s"] <= 60


def test_an_address_is_bounded_whatever_keys_it_has(make_service: Callable[..., Service]) -> None:
    keys = [f"the-key-of-somebody-{at}" for at in range(4)]
    service = make_service(policy={"api_keys": keys, "begun_per_minute_of_address": 3})
    answers = [DOORS[0](service, {"Authorization": f"Bearer {key}"}) for key in keys]
    assert [status for status, _ in answers] == [200, 200, 200, 429]
    assert answers[-1][1]["detail"] == "executions of this address: at most 3/minute"
    assert requests.get(f"{service.url}/healthz", timeout=5).status_code == 200
    assert requests.get(f"{service.url}/readyz", timeout=5).status_code == 200


def test_users_of_a_platform_are_bounded_each_for_himself(
    make_service: Callable[..., Service],
) -> None:
    key = "a-key-of-a-platform-0123456789"
    service = make_service(policy={"api_keys": [key], "begun_per_minute_of_user": 2})
    headers = {"Authorization": f"Bearer {key}"}

    def run(user: str) -> requests.Response:
        body = {**PROGRAM, "user": user}
        return requests.post(f"{service.url}/execute", json=body, headers=headers, timeout=20)

    answers = [run("ann") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["detail"] == "executions of this user: at most 2/minute"
    assert '"user";r=0' in answers[-1].headers["RateLimit"]
    assert run("bob").status_code == 200
    token = requests.post(
        f"{service.url}/v1/tokens", json={"user": "ann"}, headers=headers, timeout=5
    ).json()["token"]
    for door in DOORS:
        assert door(service, {"Authorization": f"Bearer {token}"})[0] == 429


def test_many_at_once_get_no_more_than_the_rate(make_service: Callable[..., Service]) -> None:
    service = make_service(policy={"begun_per_minute": 10})
    with ThreadPoolExecutor(16) as threads:
        doors = [DOORS[at % len(DOORS)] for at in range(40)]
        told = list(threads.map(lambda door: door(service, {})[0], doors))
    assert sum(status in (200, 202) for status in told) == 10
    assert told.count(429) == 30


def test_a_websocket_beyond_what_may_be_open_is_told_so_in_a_message(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(policy={"concurrent": 1})
    url = f"{service.ws}/v1/executions/stream"
    with connect(url, proxy=None):
        status, told = _websocket(service, {})
    assert status == 429
    assert told["detail"] == "requests and streams that this key holds open: at most 1"
