"""Every operation of the OpenAPI description, with every credential that is not good for it."""

import json
import logging
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import jwt
import pytest

from unit.key_owners import MAKE_TOKEN, Door, KeyOwners, bearing
from unit.served_gateway import HANDSHAKE, Served
from vibecell.gateway.api.openapi import describe
from vibecell.gateway.app import create_app
from vibecell.gateway.identity.permissions import NEEDS
from vibecell.model.caller import SCOPES, Scope
from vibecell.sharing.key_ring import KeyRing
from vibecell.wire.derivations import TokenRequest

Operation = tuple[str, str]


@cache
def described() -> dict[Operation, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = describe()["paths"]  # type: ignore[assignment]
    return {
        (method.upper(), path): operation
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def types_of(operation: Operation, status: int) -> set[str]:
    """The types of problem with which an operation may be refused, as the description says."""
    reference = described()[operation]["responses"][str(status)]["$ref"]
    components: dict[str, Any] = describe()["components"]["responses"]  # type: ignore[index]
    content = components[reference.rpartition("/")[2]]["content"]["application/problem+json"]
    return {example["value"]["type"] for example in content["examples"].values()}


def scope_of(operation: dict[str, Any]) -> Scope | None:
    scopes = operation["security"][0]["key"]
    return scopes[0] if scopes else None


OPEN = {("GET", "/healthz"), ("GET", "/readyz")}
#: From this machine it needs no credential; what it needs elsewhere is tried below.
METRICS = ("GET", "/metrics")
GUARDED = sorted(described().keys() - OPEN - {METRICS})
#: One of each way in: past the framework, through it, and by a handshake.
FRONT_DOORS = [
    ("POST", "/execute"), ("POST", "/v1/tickets"), ("GET", "/v1/executions/{id}/stream"),
]  # fmt: skip
SCOPED = [each for each in GUARDED if scope_of(described()[each]) is not None]


class Platform:
    """A gateway, and one credential of each kind that is not good any more, or never was."""

    def __init__(self) -> None:
        self.owners = KeyOwners()
        self.whole = self.owners.create(frozenset(SCOPES))
        revoked, expired = self.owners.create(), self.owners.create(lifetime_s=1e-9)
        self.credentials = {
            "wrong": f"{self.whole.text[:-1]}{'A' if self.whole.text[-1] != 'A' else 'B'}",
            "expired": expired.text,
            "token-of-revoked": self.token(key=revoked.text),
            "token-wrong": f"{self.token().rpartition('.')[0]}.{'A' * 43}",
            "token-expired": self.expired_token(),
            "revoked": revoked.text,
        }
        self.owners.revoke(revoked)
        self.served = Served(keys=self.owners.ring, wrong_keys_per_minute=10_000)

    def token(self, *scopes: Scope, key: str | None = None) -> str:
        door = Door(self.owners.ring)
        caller = door.ask(bearing(key or self.whole.text), MAKE_TOKEN)
        return door.made.tokens.mint(caller, TokenRequest("ann", scopes or None)).text

    def expired_token(self) -> str:
        claims = jwt.decode(self.token(), options={"verify_signature": False})
        hour_ago = int(time.time()) - 3600
        claims |= {"iat": hour_ago, "nbf": hour_ago, "exp": hour_ago + 60}
        return jwt.encode(claims, self.owners.ring.signing_secrets[0], algorithm="HS256")

    def told(
        self, operation: Operation, *fields: str, body: bytes = b"{}"
    ) -> tuple[int, dict[str, str], Any]:
        method, path = operation
        lines = [f"{method} {path.replace('{id}', 'known')} HTTP/1.1", *fields]
        if method == "POST":
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        head = "\r\n".join(lines).encode() + b"\r\n"
        is_stream = path.partition("?")[0].endswith("/stream")
        head += HANDSHAKE if is_stream else b"Host: localhost\r\n"
        received = self.served.told(head + b"\r\n" + (body if method == "POST" else b""))
        top, _, rest = received.partition(b"\r\n\r\n")
        first, *others = top.decode().split("\r\n")
        names = dict(line.split(": ", 1) for line in others)
        is_json = names.get("Content-Type", "").endswith("json") and "Content-Length" in names
        return int(first.split()[1]), names, json.loads(rest) if is_json else None


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    made.served.end()


def bearer(credential: str) -> str:
    return f"Authorization: Bearer {credential}"


TYPES = {
    "wrong": "wrong",
    "expired": "expired",
    "revoked": "revoked",
    "token-wrong": "wrong",
    "token-expired": "expired",
    "token-of-revoked": "revoked",
}


@pytest.mark.parametrize("operation", GUARDED, ids=" ".join)
def test_without_a_credential_it_is_said_that_one_is_missing(
    platform: Platform, operation: Operation
) -> None:
    status, fields, problem = platform.told(operation)
    assert (status, problem["type"]) == (401, "urn:vibecell:problem:credential-missing")
    assert fields["WWW-Authenticate"] == 'Bearer realm="vibecell"'


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("operation", GUARDED, ids=" ".join)
def test_one_that_is_not_good_is_refused_and_told_apart(
    platform: Platform, operation: Operation, kind: str
) -> None:
    credential = platform.credentials[kind]
    status, fields, problem = platform.told(operation, bearer(credential))
    assert (status, problem["type"]) == (401, f"urn:vibecell:problem:credential-{TYPES[kind]}")
    assert fields["WWW-Authenticate"] == 'Bearer realm="vibecell", error="invalid_token"'
    assert credential not in json.dumps([fields, problem])
    assert problem["type"] in types_of(operation, 401)


@pytest.mark.parametrize("given", ["Basic b2xkOm9sZA==", "Bearer", "Bearer a, Bearer b"])
@pytest.mark.parametrize("operation", GUARDED, ids=" ".join)
def test_what_can_be_none_is_malformed(
    platform: Platform, operation: Operation, given: str
) -> None:
    status, _, problem = platform.told(operation, f"Authorization: {given}")
    assert (status, problem["type"]) == (401, "urn:vibecell:problem:credential-malformed")


@pytest.mark.parametrize("operation", SCOPED, ids=" ".join)
def test_a_narrower_one_is_not_enough(platform: Platform, operation: Operation) -> None:
    needed = scope_of(described()[operation])
    others = [scope for scope in SCOPES if scope != needed]
    status, _, problem = platform.told(operation, bearer(platform.token(*others)))
    assert (status, problem["type"]) == (403, "urn:vibecell:problem:not-permitted")
    assert problem["type"] in types_of(operation, 403)


@pytest.mark.parametrize("operation", GUARDED, ids=" ".join)
def test_one_that_is_good_is_never_told_that_it_is_not(
    platform: Platform, operation: Operation
) -> None:
    needed = scope_of(described()[operation])
    credential = platform.whole.text
    if operation[1] != "/v1/tokens":
        credential = platform.token(*([needed or "execute"]))
    status, _, _ = platform.told(operation, bearer(credential))
    assert status not in (401, 403)


@pytest.mark.parametrize("operation", GUARDED, ids=" ".join)
def test_a_ticket_is_good_for_what_the_description_says_and_nothing_else(
    platform: Platform, operation: Operation
) -> None:
    method, path = operation
    by_ticket = any("ticket" in each for each in described()[operation]["security"])
    bodies = {b'{"execution": "known"}': "{id}" in path, b"{}": "{id}" not in path}
    for body, is_for_it in bodies.items():
        made = platform.told(("POST", "/v1/tickets"), bearer(platform.whole.text), body=body)
        shown = (method, f"{path}?ticket={made[2]['ticket']}")
        status, _, problem = platform.told(shown)
        if by_ticket and is_for_it:
            assert status in (101, 200)
        else:
            assert (status, problem["type"]) == (403, "urn:vibecell:problem:not-permitted")
        status, _, problem = platform.told(shown)
        assert (status, problem["type"]) == (401, "urn:vibecell:problem:credential-expired")


def test_every_route_is_open_to_all_or_has_its_need() -> None:
    """What is added has to be given its place in the table."""
    served = Served()
    try:
        rules = list(create_app(served.gateway).url_map.iter_rules())
    finally:
        served.end()
    routes = {
        (method, rule.rule)
        for rule in rules
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    open_to_all = {
        "/", "/docs", "/docs/<name>", "/assets/<path:name>", "/openapi.json",
        "/healthz", "/readyz",
        # whose URL is the capability
        "/v1/executions/<execution_id>/page", "/v1/executions/<execution_id>/page/<file:path>",
    }  # fmt: skip
    assert NEEDS.keys() <= routes
    assert {rule for _, rule in routes - NEEDS.keys()} == open_to_all


def test_the_description_says_of_each_operation_what_it_needs() -> None:
    for (method, path), operation in described().items():
        need = NEEDS.get((method, path.replace("{id}", "<execution_id>")))
        assert (need is None) == ((method, path) in OPEN)
        if need is None:
            assert operation["security"] == []
            continue
        kinds = {kind for each in operation["security"] for kind in each}
        assert ("token" in kinds) == ("token" in need.kinds)
        assert ("ticket" in kinds) == need.by_ticket
        assert {"401", "403"} <= operation["responses"].keys()


def test_metrics_need_a_scope_of_their_own(platform: Platform) -> None:
    assert platform.told(METRICS)[0] == 401
    assert platform.told(METRICS, bearer(platform.token("read")))[0] == 403
    assert platform.told(METRICS, bearer(platform.token("metrics")))[0] == 200


@pytest.mark.parametrize("anonymous", ["auto", "loopback"])
def test_once_there_is_a_key_metrics_are_not_for_whoever_shares_the_machine(
    anonymous: Any,
) -> None:
    owners = KeyOwners()
    key = bearer(owners.create(frozenset(SCOPES)).text)
    ring = KeyRing((), anonymous, view=owners._view())
    served = Served(keys=ring)
    try:
        for field, status in (("Accept: */*", 401), (key, 200)):
            asked = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n"
            assert int(served.told(asked.encode()).split()[1]) == status
    finally:
        served.end()


@pytest.mark.parametrize("origins", [(), ("*",)])
def test_without_keys_metrics_are_for_programs_of_this_machine_and_for_no_page_or_proxy(
    origins: tuple[str, ...],
) -> None:
    served = Served(allowed_origins=origins)
    try:
        for host, field, let_in in (
            ("localhost", "Accept: */*", True),
            ("localhost", "Origin: https://elsewhere.example", False),
            ("localhost", "Sec-Fetch-Site: cross-site", False),
            ("rebound.example", "Accept: */*", False),
            ("localhost", "X-Forwarded-For: 192.0.2.1", False),
            ("localhost", "Forwarded: for=127.0.0.1", False),
            ("localhost", "Via: 1.1 proxy", False),
        ):
            asked = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n{field}\r\n\r\n"
            told = served.told(asked.encode())
            assert (int(told.split()[1]) == 200) == let_in
            assert (b"vibecell_ready" in told) == let_in
    finally:
        served.end()


def test_no_credential_is_in_an_answer_or_a_log(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = [platform.whole.text, platform.token(), platform.token("read")]
    for credential in [*good, *platform.credentials.values(), "planted-where-none-is"]:
        for operation in FRONT_DOORS:
            method, path = operation
            for said in (
                platform.told(operation, bearer(credential)),
                platform.told(operation, f"Authorization: Basic {credential}"),
                platform.told(operation, bearer(f"{credential},{credential}")),
                platform.told((method, f"{path}?ticket={credential}"), bearer("x")),
                platform.told((method, f"{path}?ticket={credential[:100].replace('.', '')}")),
                platform.told((method, f"{path}?access_token={credential}")),
                platform.told(operation, f"Sec-WebSocket-Protocol: vibecell.key.{credential}"),
            ):
                assert credential[-16:] not in repr(said)
    assert not any(
        credential[-16:] in record.getMessage() + str(record.exc_text)
        for credential in [*good, *platform.credentials.values()]
        for record in caplog.records
    )
