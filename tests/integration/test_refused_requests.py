"""Who sends what is refused, again and again, has to wait, whichever way it is sent."""

import json
from collections.abc import Callable

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from integration.live import Service

MOST = 3
KEY = "a-key-that-is-right-0123456789"
Send = Callable[[Service, str], int]


def _post(path: str, data: bytes) -> Send:
    def send(service: Service, key: str) -> int:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        answer = requests.post(service.url + path, data=data, headers=headers, timeout=20)
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        return answer.status_code

    return send


def _say(message: str) -> Send:
    def send(service: Service, key: str) -> int:
        url = f"{service.ws}/v1/executions/stream"
        try:
            with connect(url, proxy=None, additional_headers=_key(key)) as websocket:
                websocket.send(message)
                while True:
                    websocket.recv(20)
        except InvalidStatus as refusal:
            return refusal.response.status_code
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code - 4000

    return send


def _key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


RUN = _post("/execute", b'{"code":"print(1)"}')
WAYS: list[tuple[int, Send]] = [
    (400, _post("/execute", b"{")),
    (422, _post("/execute", b'{"kode":"1"}')),
    (422, _post("/execute", b'{"code":"1","language":"x"}')),
    (400, _post("/execute", b"[" + b"1," * 9000 + b"1]")),
    (413, _post("/execute", b" " * 5_000_000)),
    (422, _post("/v1/executions", b"[]")),
    (422, _post("/v1/executions/x/controls", b'{"type":"stop"}')),
    (400, _say("{")),
    (422, _say('{"type":"execute","kode":"1"}')),
]


def test_a_key_whose_requests_are_refused_has_to_wait_and_no_other_has(
    make_service: Callable[..., Service],
) -> None:
    keys = [f"the-key-of-way-number-{at}" for at in range(len(WAYS))]
    policy = {"refused_per_minute": MOST, "api_keys": [*keys, KEY]}
    service = make_service(policy=policy)
    for key, (status, send) in zip(keys, WAYS, strict=True):
        assert [send(service, key) for _ in range(MOST)] == [status] * MOST, key
        assert [each(service, key) for each in (send, RUN, _say("{"))] == [429] * 3, key
        assert RUN(service, KEY) == 200


def test_a_wrong_control_of_an_open_websocket_counts_as_well(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(policy={"refused_per_minute": 1, "api_keys": [KEY]})
    url = f"{service.ws}/v1/executions/stream"
    with connect(url, proxy=None, additional_headers=_key(KEY)) as websocket:
        websocket.send(
            json.dumps({"type": "execute", "code": "print(input())", "interactive": True})
        )
        assert json.loads(websocket.recv(20))["type"] == "accepted"
        websocket.send('{"type":"stop"}')
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                websocket.recv(20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4422
    assert RUN(service, KEY) == 429


def test_what_is_right_is_never_counted(make_service: Callable[..., Service]) -> None:
    service = make_service(policy={"refused_per_minute": 1, "api_keys": [KEY]})
    assert [RUN(service, KEY) for _ in range(5)] == [200] * 5
    absent = requests.get(f"{service.url}/v1/executions/x", headers=_key(KEY), timeout=20)
    assert absent.status_code == 404
    assert RUN(service, KEY) == 200
