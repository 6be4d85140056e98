"""Two platforms and their users behind one service: who sees, follows and controls what."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from integration.live import Service

SHOP, SCHOOL = "the-key-of-a-shop-0123", "the-key-of-a-school-01"
LONG = {"code": "import time\nprint('a')\ntime.sleep(30)", "limits": {"wall_time_ms": 40_000}}
GOES_ON = {**LONG, "on_disconnect": "continue"}
READS = {"code": "print(input())", "interactive": "pipe", "on_disconnect": "continue"}
NEVER_WAS = "A" * 24


class Platforms:
    def __init__(self, service: Service) -> None:
        self.service = service

    def ask(
        self, method: str, path: str, credential: str | None, body: object = None, **fields: str
    ) -> requests.Response:
        if credential is not None:
            fields["Authorization"] = f"Bearer {credential}"
        url = self.service.url + path
        named = {"X-Request-Id": "mine", **fields}
        return requests.request(method, url, json=body, headers=named, timeout=20)

    def token(self, user: str, key: str = SHOP, **wanted: Any) -> str:
        answer = self.ask("POST", "/v1/tokens", key, {"user": user, **wanted})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ticket(self, credential: str, **wanted: str) -> str:
        answer = self.ask("POST", "/v1/tickets", credential, wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    def begun(self, credential: str, **body: Any) -> str:
        answer = self.ask("POST", "/v1/executions", credential, {**GOES_ON, **body})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def state(self, execution_id: str) -> str:
        path = f"/v1/executions/{execution_id}"
        for key in (SHOP, SCHOOL):
            answer = self.ask("GET", path, key)
            if answer.status_code == 200:
                return str(answer.json()["state"])
        raise AssertionError("nobody has it")

    def open(self, path: str, credential: str, kind: str = "token") -> ClientConnection:
        offered: Any = ["vibecell.v1", f"vibecell.{kind}.{credential}"]
        return connect(
            self.service.ws + path,
            proxy=None,
            subprotocols=offered,
            additional_headers={"X-Request-Id": "mine"},
        )


@pytest.fixture(scope="module")
def platforms(make_shared_service: Callable[..., Service]) -> Iterator[Platforms]:
    yield Platforms(make_shared_service(policy={"api_keys": [SHOP, SCHOOL]}))


def test_a_key_makes_a_token_and_what_its_user_runs_is_his_and_the_keys(
    platforms: Platforms,
) -> None:
    ann, bob = platforms.token("ann"), platforms.token("bob")
    answer = platforms.ask("POST", "/execute", ann, {"code": "print(6 * 7)"})
    assert answer.json()["output"] == "42\n"
    path = f"/v1/executions/{answer.json()['id']}"
    assert [platforms.ask("GET", path, who).status_code for who in (ann, SHOP, bob, SCHOOL)] == [
        200, 200, 404, 404,
    ]  # fmt: skip
    theirs = platforms.token("ann", SCHOOL)  # of the same name, and somebody else
    assert platforms.ask("GET", path, theirs).status_code == 404


def test_a_back_end_says_by_user_whose_a_program_is(platforms: Platforms) -> None:
    ann, bob = platforms.token("ann"), platforms.token("bob")
    code = "import os, sys\nprint(sorted(os.environ.values()), sys.argv)"
    answer = platforms.ask("POST", "/execute", SHOP, {"code": code, "user": "ann"})
    assert answer.status_code == 200
    assert "ann" not in answer.json()["output"]
    path = f"/v1/executions/{answer.json()['id']}"
    assert platforms.ask("GET", path, ann).status_code == 200
    assert platforms.ask("GET", path, bob).status_code == 404


@pytest.mark.parametrize("path", ["/execute", "/v1/executions"])
def test_a_user_speaks_for_himself_alone(platforms: Platforms, path: str) -> None:
    ann = platforms.token("ann")
    for user, status in (("ann", (200, 202)), ("bob", (403,))):
        body = {"code": "print(1)", "user": user}
        assert platforms.ask("POST", path, ann, body).status_code in status


def test_a_user_speaks_for_himself_alone_on_a_websocket_too(platforms: Platforms) -> None:
    with platforms.open("/v1/executions/stream", platforms.token("ann")) as websocket:
        websocket.send(json.dumps({"type": "execute", "code": "print(1)", "user": "bob"}))
        assert json.loads(websocket.recv(10))["problem"]["status"] == 403
        with pytest.raises(ConnectionClosed):
            websocket.recv(10)
        assert websocket.close_code == 4403


ROUTES = [
    ("GET", "", None),
    ("GET", "?encoding=base64&displays=described", None),
    ("DELETE", "", None),
    ("POST", "/controls", {"type": "cancel"}),
    ("POST", "/controls", {"type": "stdin", "data": "x\n"}),
    ("POST", "/controls", {"type": "nonsense"}),
    ("GET", "/events", None),
    ("GET", "/events?after=999999", None),
    ("GET", "/page/", None),
    ("GET", "/page/other.html", None),
]


def said(answer: requests.Response) -> tuple[int, bytes, dict[str, str]]:
    fields = {name: value for name, value in answer.headers.items() if name != "Date"}
    return answer.status_code, answer.content, fields


@pytest.mark.parametrize(("method", "route", "body"), ROUTES)
def test_what_is_somebody_elses_is_as_what_never_was(
    platforms: Platforms, method: str, route: str, body: object
) -> None:
    bob = platforms.token("bob")
    running, ended = platforms.begun(platforms.token("ann")), platforms.begun(SHOP, code="1")
    for credential in (bob, SCHOOL):
        unknown = platforms.ask(method, f"/v1/executions/{NEVER_WAS}{route}", credential, body)
        for foreign in (running, ended):
            path = f"/v1/executions/{foreign}{route}"
            answer = platforms.ask(method, path, credential, body)
            assert said(answer) == said(unknown)
            assert answer.status_code in (404, 422)
    assert platforms.state(running) == "running"
    platforms.ask("DELETE", f"/v1/executions/{running}", SHOP)


@pytest.mark.parametrize("query", ["", "?after=0", "?after=999999"])
def test_nobody_attaches_to_what_is_somebody_elses(platforms: Platforms, query: str) -> None:
    ann = platforms.token("ann")
    foreign = platforms.begun(ann)
    told = []
    for execution_id in (foreign, NEVER_WAS):
        with pytest.raises(InvalidStatus) as refused:
            platforms.open(f"/v1/executions/{execution_id}/stream{query}", platforms.token("bob"))
        response = refused.value.response
        fields = [(k, v) for k, v in response.headers.raw_items() if k != "Date"]
        told.append((response.status_code, bytes(response.body or b""), fields))
    assert told[0] == told[1]
    assert told[0][0] == 404
    platforms.ask("DELETE", f"/v1/executions/{foreign}", ann)


def test_a_ticket_of_somebody_elses_execution_follows_nothing(platforms: Platforms) -> None:
    foreign = platforms.begun(platforms.token("ann"), code="print(1)")
    bob = platforms.token("bob")
    answers = []
    for execution_id in (foreign, NEVER_WAS):
        ticket = platforms.ticket(bob, execution=execution_id)
        path = f"/v1/executions/{execution_id}/events?ticket={ticket}"
        answers.append(said(platforms.ask("GET", path, None)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_an_idempotency_key_is_each_users_own(platforms: Platforms) -> None:
    name = {"Idempotency-Key": f"one-{time.time_ns()}"}
    body = {"code": "print(1)"}
    ids = {
        platforms.ask("POST", "/execute", platforms.token(user), body, **name).json()["id"]
        for user in ("ann", "bob", "ann")
    }
    assert len(ids) == 2


def test_an_event_source_comes_with_a_ticket_once(platforms: Platforms) -> None:
    ann = platforms.token("ann")
    mine = platforms.begun(ann, code="print('hello')")
    ticket = platforms.ticket(ann, execution=mine)
    path = f"/v1/executions/{mine}/events?ticket={ticket}"
    answer = platforms.ask("GET", path, None, Accept="text/event-stream")
    assert answer.status_code == 200
    assert "hello" in answer.text
    again = platforms.ask("GET", path, None, Accept="text/event-stream")
    assert again.status_code == 401
    assert again.json()["type"].endswith(":credential-expired")
    other = platforms.begun(ann, code="print('hello')")
    elsewhere = platforms.ticket(ann, execution=mine)
    path = f"/v1/executions/{other}/events?ticket={elsewhere}"
    assert platforms.ask("GET", path, None).status_code == 403


def test_a_websocket_begins_and_attaches_with_tickets(platforms: Platforms) -> None:
    ann = platforms.token("ann")
    stream = "/v1/executions/stream"
    url = platforms.service.ws + stream
    with connect(f"{url}?ticket={platforms.ticket(ann)}", proxy=None) as websocket:
        websocket.send(json.dumps({"type": "execute", **READS}))
        mine = json.loads(websocket.recv(10))["id"]
    path = f"/v1/executions/{mine}/stream"
    attached = f"{platforms.service.ws}{path}?ticket={platforms.ticket(ann, execution=mine)}"
    with connect(attached, proxy=None) as websocket:
        websocket.send(json.dumps({"type": "stdin", "data": "well\n"}))
        kinds = [json.loads(message) for message in websocket]
    assert kinds[-1]["result"]["stdout"] == "well\n"
    with pytest.raises(InvalidStatus) as refused:
        connect(attached, proxy=None)
    assert refused.value.response.status_code == 401
    assert platforms.ask("GET", f"/v1/executions/{mine}", SHOP).status_code == 200


def test_who_may_only_begin_has_the_conversation_that_he_began(platforms: Platforms) -> None:
    ann = platforms.token("ann", scopes=["execute"])
    with platforms.open("/v1/executions/stream", ann) as websocket:
        websocket.send(json.dumps({"type": "execute", **READS}))
        mine = json.loads(websocket.recv(10))["id"]
        websocket.send(json.dumps({"type": "stdin", "data": "well\n"}))
        last = [json.loads(message) for message in websocket][-1]
    assert last["result"]["stdout"] == "well\n"
    assert platforms.ask("GET", f"/v1/executions/{mine}", ann).status_code == 403
    assert platforms.ask("DELETE", f"/v1/executions/{mine}", ann).status_code == 403


def test_who_may_only_read_follows_and_controls_nothing(platforms: Platforms) -> None:
    mine = platforms.begun(platforms.token("ann"))
    reader = platforms.token("ann", scopes=["read"])
    with platforms.open(f"/v1/executions/{mine}/stream", reader) as websocket:
        assert json.loads(websocket.recv(10))["type"] == "accepted"
        assert json.loads(websocket.recv(10))["type"] in ("queued", "started")
        websocket.send(json.dumps({"type": "cancel"}))
        problem = None
        with pytest.raises(ConnectionClosed):
            while True:
                message = json.loads(websocket.recv(10))
                problem = message.get("problem", problem)
        assert problem is not None
        assert problem["type"].endswith(":not-permitted")
        assert websocket.close_code == 4403
    for method, path, body in (
        ("DELETE", "", None), ("POST", "/controls", {"type": "cancel"}),
    ):  # fmt: skip
        answer = platforms.ask(method, f"/v1/executions/{mine}{path}", reader, body)
        assert answer.status_code == 403
    assert platforms.state(mine) == "running"
    platforms.ask("DELETE", f"/v1/executions/{mine}", SHOP)


def test_who_may_only_read_cancels_nothing_by_leaving(
    make_service: Callable[..., Service],
) -> None:
    policy = {"api_keys": [SHOP, SCHOOL], "disconnect_grace_s": 0.05}
    platforms = Platforms(make_service(policy=policy))
    ends = {}
    for scopes in (["read"], ["read", "control"]):
        mine = platforms.begun(platforms.token("ann"), on_disconnect="cancel")
        token = platforms.token("ann", scopes=scopes)
        with platforms.open(f"/v1/executions/{mine}/stream", token) as websocket:
            assert json.loads(websocket.recv(10))["type"] == "accepted"
        time.sleep(0.5)
        ends[len(scopes)] = platforms.state(mine)
        platforms.ask("DELETE", f"/v1/executions/{mine}", SHOP)
    assert ends == {1: "running", 2: "finished"}


@pytest.mark.parametrize(
    ("credential", "kind"),
    [("x.y.z", "token"), ("wrong", "key"), (f"{SHOP}x", "key")],
)
def test_a_websocket_is_refused_before_it_is_one(
    platforms: Platforms, credential: str, kind: str
) -> None:
    for path in ("/v1/executions/stream", f"/v1/executions/{NEVER_WAS}/stream"):
        with pytest.raises(InvalidStatus) as refused:
            platforms.open(path, credential, kind)
        response = refused.value.response
        assert response.status_code == 401
        assert "invalid_token" in response.headers["WWW-Authenticate"]
        assert json.loads(response.body or b"")["type"].endswith(":credential-wrong")
        assert credential not in str(response.headers)


def test_nobody_knows_what_a_user_may_not_see_by_listing(platforms: Platforms) -> None:
    user = f"lister-{time.time_ns()}"
    mine = platforms.begun(platforms.token(user), code="print(1)")

    def listed(credential: str) -> set[str]:
        answer = platforms.ask("GET", "/v1/executions", credential)
        return {each["id"] for each in answer.json()["executions"]}

    assert listed(platforms.token(user)) == {mine}
    assert mine in listed(SHOP)
    assert mine not in listed(SCHOOL) | listed(platforms.token("bob"))


def test_a_platform_whose_users_hold_every_place_goes_on_issuing_looking_and_cancelling(
    make_service: Callable[..., Service],
) -> None:
    busy = Platforms(make_service(policy={"api_keys": [SHOP, SCHOOL], "concurrent": 5}))
    tokens = [busy.token(f"user {number}") for number in range(5)]
    running = [busy.begun(token) for token in tokens]
    with contextlib.ExitStack() as stack:
        for token, name in zip(tokens, running, strict=True):
            stack.enter_context(busy.open(f"/v1/executions/{name}/stream", token)).recv(10)
        full = busy.ask("POST", "/v1/executions", SHOP, GOES_ON)
        assert full.status_code == 429
        assert "this key" in full.json()["detail"]
        assert busy.token("one more")
        assert busy.ticket(SHOP, execution=running[0])
        for name in running:
            path = f"/v1/executions/{name}"
            assert busy.ask("GET", path, SHOP).json()["state"] == "running"
            window = {"type": "resize", "columns": 80, "rows": 24}
            assert busy.ask("POST", f"{path}/controls", SHOP, window).status_code == 204
            assert busy.ask("DELETE", path, SHOP).status_code == 204
        assert len(busy.ask("GET", "/v1/executions", SHOP).json()["executions"]) >= 5
