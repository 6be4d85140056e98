"""The OpenAPI document: valid, whole, and every example as its schema says.

Whether the examples are true is asked of a real service, in ``integration``.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from unit.served_gateway import HOST, Served, got
from vibecell.gateway import problems
from vibecell.gateway.api.openapi import describe

DOCUMENT: dict[str, Any] = describe()
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
STATE = ("GET /healthz", "GET /readyz")
each_operation = pytest.mark.parametrize("name", OPERATIONS)


def found(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference names."""
    while "$ref" in node:
        _, *parts = node["$ref"].split("/")
        node = DOCUMENT
        for part in parts:
            node = node[part]
    return node


def judged(schema: dict[str, Any], value: object) -> None:
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def answers(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for status, answer in OPERATIONS[name]["responses"].items():
        yield int(status), found(answer)


def contents(name: str) -> Iterator[dict[str, Any]]:
    """All that is sent and answered."""
    if "requestBody" in OPERATIONS[name]:
        yield from OPERATIONS[name]["requestBody"]["content"].values()
    for _, answer in answers(name):
        yield from answer.get("content", {}).values()


def told(address: str | None) -> dict[str, Any]:
    """The document as a gateway serves it."""
    served = Served() if address is None else Served(public_url=address)
    try:
        with served.open() as client:
            client.sendall(got("/openapi.json").replace(HOST, HOST + b"Connection: close\r\n"))
            received = b"".join(iter(lambda: client.recv(65536), b""))
    finally:
        served.end()
    document: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
    return document


def test_it_is_valid_as_the_specification_says() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@pytest.mark.parametrize("address", ["https://run.example", "https://run.example/cells"])
def test_its_server_is_the_public_address(address: str) -> None:
    document = told(address)
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": address}]


def test_without_a_public_address_it_is_wherever_the_document_is() -> None:
    assert "servers" not in told(None)


@each_operation
def test_each_operation_says_what_it_is_for(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["operationId"].isalnum()
    assert len(operation["summary"]) > 8
    assert len(operation["description"]) > 20
    assert operation["description"] != operation["summary"]
    assert {tag["name"] for tag in DOCUMENT["tags"]} >= set(operation["tags"]) != set()
    assert bool(operation["security"]) == (name not in STATE)
    for parameter in map(found, operation["parameters"]):
        assert parameter["description"]
        assert parameter["schema"]
    in_path = {p["name"] for p in map(found, operation["parameters"]) if p["in"] == "path"}
    assert in_path == ({"id"} if "{id}" in name else set())


def test_no_two_operations_have_one_name() -> None:
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert set(names.values()) == {1}


@each_operation
def test_each_answer_says_what_is_in_its_header(name: str) -> None:
    knows_who_asks = name not in STATE
    for status, answer in answers(name):
        fields = set(answer["headers"])
        assert "X-Request-Id" in fields
        assert ("WWW-Authenticate" in fields) == (status == 401)
        assert ("Retry-After" in fields) == (status in (429, 503))
        assert ({"RateLimit", "RateLimit-Policy"} <= fields) == (
            knows_who_asks and status not in (401, 408, 421, 431)
        )
        for field in answer["headers"].values():
            judged(found(field)["schema"], found(field)["example"])


@each_operation
def test_whatever_is_sent_and_answered_has_examples_and_they_are_as_its_schema_says(
    name: str,
) -> None:
    for content in contents(name):
        assert content["examples"]
        for example in content["examples"].values():
            judged(content["schema"], example["value"])
    for parameter in map(found, OPERATIONS[name]["parameters"]):
        for example in parameter.get("examples", {}).values():
            judged(parameter["schema"], example["value"])


@each_operation
def test_each_refusal_is_a_problem_of_its_status(name: str) -> None:
    statuses = [status for status, _ in answers(name) if status >= 400]
    assert {400, 429, 500} <= set(statuses)
    for status, answer in answers(name):
        if status < 400 or (name, status) == ("GET /readyz", 503):
            continue
        assert list(answer["content"]) == ["application/problem+json"]
        for example in answer["content"]["application/problem+json"]["examples"].values():
            assert example["value"]["status"] == status
            assert ("retry_after_s" in example["value"]) == (status in (429, 503))


def test_every_type_of_problem_is_told_by_some_operation() -> None:
    told_types = {
        example["value"]["type"]
        for name in OPERATIONS
        for content in contents(name)
        for example in content["examples"].values()
        if isinstance(example["value"], dict) and "title" in example["value"]
    }
    assert told_types == set(problems.types())


@each_operation
def test_an_example_of_a_request_has_its_answer(name: str) -> None:
    asked = OPERATIONS[name].get("requestBody", {}).get("content", {})
    named = {x for content in asked.values() for x in content["examples"]}
    told_names = {
        example.replace("-", "_")
        for _, answer in answers(name)
        for content in answer.get("content", {}).values()
        for example in content["examples"]
    }
    if any(status == 204 for status, _ in answers(name)):
        return  # that has no content
    assert named <= told_names


def test_what_is_sent_as_base64_is_described_as_text() -> None:
    """Clients that are made of the description would send a file, which JSON has not."""
    coded = [
        kind
        for schema in DOCUMENT["components"]["schemas"].values()
        for name, member in schema.get("properties", {}).items()
        if name.endswith("_base64")
        for kind in member.get("anyOf", [member])
        if kind["type"] == "string"
    ]
    assert len(coded) > 3
    assert all("format" not in kind for kind in coded)
    sent = DOCUMENT["components"]["schemas"]["ExecuteBody"]["properties"]["stdin_base64"]
    assert {"type": "string", "contentEncoding": "base64"} in sent["anyOf"]
