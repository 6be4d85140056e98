"""The examples of the OpenAPI document are true: each is sent, and the answer is the one shown."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from host import Service
from vibecell.gateway.api.openapi import describe

KEY = "key-of-who-tries-what-the-documents-say"
DOCUMENT: dict[str, Any] = describe()
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
REQUESTS = [
    (name, example)
    for name, operation in OPERATIONS.items()
    for content in operation.get("requestBody", {}).get("content", {}).values()
    for example in content["examples"]
]
LOOKS = [name for name in OPERATIONS if name.startswith("GET ") and not name.endswith("stream")]
#: Metrics need nothing from this machine; who opens a WebSocket is told on it.
GUARDED = [name for name in OPERATIONS if OPERATIONS[name]["security"] and "metrics" not in name]
NAMING = [name for name in GUARDED if "{id}" in name and not name.endswith("/stream")]
WAITS = {"code": "print('ready', flush=True)\nwhile True:\n    input()", "interactive": True}
ANSWER_S = 30
#: What is another one each time; of these an example shows the form.
CHANGES = {
    *("id", "state", "token", "ticket", "expires_at", "begun_at_ms", "ended_at_ms", "next_page"),
    *("wall_time_ms", "cpu_time_ms", "memory_bytes", "processes", "version", "warm"),
}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        _, *parts = node["$ref"].split("/")
        node = DOCUMENT
        for part in parts:
            node = node[part]
    return node


def lasting(value: Any) -> Any:
    """A value without what is another one each time."""
    if isinstance(value, Mapping):
        return {k: "…" if k in CHANGES and v is not None else lasting(v) for k, v in value.items()}
    if isinstance(value, list):
        return [lasting(x) for x in value]
    return value


def judged(name: str, answer: requests.Response) -> Mapping[str, Any]:
    """The examples of an answer, which has come as its operation describes it."""
    told = resolved(OPERATIONS[name]["responses"][str(answer.status_code)])
    for field in (
        field for field, said in told["headers"].items() if resolved(said).get("required")
    ):
        assert field in answer.headers
    if not answer.content:
        assert "content" not in told
        return {}
    media = answer.headers["Content-Type"].partition(";")[0]
    content = told["content"][media]
    if media.endswith("json"):
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        for line in answer.text.splitlines():
            Draft202012Validator(schema).validate(json.loads(line))
    examples: dict[str, Any] = content["examples"]
    return examples


class Client:
    """One who has a key, and asks as the document says."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {KEY}"

    def asks(self, name: str, execution_id: str = "none", **more: Any) -> requests.Response:
        method, _, path = name.partition(" ")
        url = f"{self._url}{path.replace('{id}', execution_id)}"
        return self._session.request(method, url, timeout=ANSWER_S, **more)

    def began(self, body: object, **headers: str) -> str:
        answer = self.asks("POST /v1/executions", json=body, headers=headers)
        assert answer.ok, answer.text
        return str(answer.json()["id"])

    def waits_for_input(self) -> str:
        """An execution that has begun to, and goes on until it is stopped."""
        execution_id = self.began({**WAITS, "on_disconnect": "continue"})
        following = self.asks("GET /v1/executions/{id}/events", execution_id, stream=True)
        with following:
            for line in following.iter_lines():
                if line and json.loads(line)["type"] == "stream":
                    return execution_id
        raise AssertionError("it ended")

    def hello(self) -> str:
        """An execution that has said hello, and ended."""
        return self.began(sent("POST /execute", "hello"), Prefer="wait=30")


def sent(name: str, example: str) -> Any:
    return OPERATIONS[name]["requestBody"]["content"]["application/json"]["examples"][example][
        "value"
    ]


@pytest.fixture(scope="module")
def client(start_service: Callable[[Mapping[str, str]], Service]) -> Iterator[Client]:
    service = start_service({"VIBECELL_API_KEYS": KEY})
    yield Client(service.url)


@pytest.mark.parametrize(("name", "example"), REQUESTS, ids=" ".join)
def test_what_is_sent_as_in_an_example_is_answered_as_in_the_one_of_its_name(
    client: Client, name: str, example: str
) -> None:
    is_for_one = "{id}" in name
    execution_id = client.waits_for_input() if is_for_one else "none"
    try:
        answer = client.asks(name, execution_id, json=sent(name, example))
    finally:
        if is_for_one:
            client.asks("DELETE /v1/executions/{id}", execution_id)
    shown = judged(name, answer)
    if is_for_one:
        assert answer.status_code == 204
        return
    names = {each.replace("-", "_"): each for each in shown}
    assert lasting(answer.json()) == lasting(shown[names[example]]["value"])


def test_an_execution_that_is_waited_for_is_answered_with_its_result(client: Client) -> None:
    (preference,) = resolved_parameter("POST /v1/executions", "Prefer")["examples"].values()
    answer = client.asks(
        "POST /v1/executions",
        json=sent("POST /v1/executions", "hello"),
        headers={"Prefer": preference["value"]},
    )
    assert answer.status_code == 200
    shown = judged("POST /v1/executions", answer)
    assert lasting(answer.json()) == lasting(shown["hello"]["value"])
    assert answer.json()["state"] == shown["hello"]["value"]["state"]
    assert answer.headers["Preference-Applied"] == preference["value"]


def resolved_parameter(name: str, parameter: str) -> dict[str, Any]:
    parameters = map(resolved, OPERATIONS[name]["parameters"])
    return next(each for each in parameters if each["name"] == parameter)


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_only_looked_at_is_as_in_an_example(client: Client, name: str) -> None:
    execution_id = client.hello()
    answer = client.asks(name, execution_id)
    assert answer.status_code == 200
    shown = [each["value"] for each in judged(name, answer).values()]
    if name == "GET /metrics":
        names = {line.split()[2] for line in shown[0].splitlines() if line.startswith("# TYPE")}
        assert all(f"# TYPE {each} " in answer.text for each in names)
    elif name.endswith("/events"):
        assert lasting(whole(answer.text.splitlines())) == lasting(shown)
    elif name == "GET /v1/executions":
        assert lasting(answer.json()["executions"][0]) == lasting(shown[0]["executions"][0])
    elif name == "GET /v1/languages":
        offered = {each["name"]: each for each in answer.json()["languages"]}
        (python,) = shown[0]["languages"]
        assert {**offered["python"], "version": "", "example": ""} == {
            **python,
            "version": "",
            "example": "",
        }
    else:
        assert lasting(answer.json()) in [lasting(each) for each in shown]


def test_events_come_as_a_browser_reads_them(client: Client) -> None:
    name = "GET /v1/executions/{id}/events"
    accepts = {"Accept": "text/event-stream"}
    answer = client.asks(name, client.hello(), headers=accepts)
    (shown,) = judged(name, answer).values()

    def events(text: str) -> list[Any]:
        return whole(re.findall("^data: (.*)$", text, re.MULTILINE))

    assert lasting(events(answer.text)) == lasting(events(shown["value"])) != []
    assert answer.text.startswith(shown["value"].partition("id:")[0])


def whole(lines: list[str]) -> list[Any]:
    """Events, output in one piece, without those of a queue: as on a machine that is not busy."""
    told: list[Any] = []
    for event in (json.loads(line) for line in lines if line):
        if event["type"] == "stream" and told and told[-1]["type"] == "stream":
            told[-1]["data"] += event["data"]
        elif event["type"] != "queued":
            told.append({**event, "seq": len(told) + 1})
    return told


def test_what_ended_with_the_event_that_one_has_is_followed_by_nothing(client: Client) -> None:
    name = "GET /v1/executions/{id}/events"
    execution_id = client.hello()
    last = max(json.loads(x)["seq"] for x in client.asks(name, execution_id).text.splitlines() if x)
    answer = client.asks(name, execution_id, params={"after": last})
    judged(name, answer)
    assert answer.status_code == 204


@pytest.mark.parametrize("name", GUARDED)
def test_who_shows_nothing_is_refused_as_in_an_example(client: Client, name: str) -> None:
    answer = client.asks(name, headers={"Authorization": ""}, json={})
    assert answer.status_code == 401
    shown = {each["value"]["type"]: each["value"] for each in judged(name, answer).values()}
    assert answer.json()["type"] in shown


@pytest.mark.parametrize("name", NAMING)
def test_what_never_was_is_refused_as_in_an_example(client: Client, name: str) -> None:
    body = {"json": {"type": "cancel"}} if name.startswith("POST") else {}
    answer = client.asks(name, "never-was", **body)
    assert answer.status_code == 404
    assert answer.json() in [each["value"] for each in judged(name, answer).values()]
