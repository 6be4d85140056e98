"""What answers tell of rates: in the form of the draft, to whom it concerns."""

import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.gateway.http.answer_chain import Answer, Field
from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import Notes, Quota
from vibecell.gateway.rate_fields import tell_rates
from vibecell.model.caller import NO_BOUNDS, Account, Caller, Grant, Owner, Rate
from vibecell.model.errors import LimitReached

from .served_gateway import HOST, Served

# source: RFC 9651 section 3.1, of strings (3.3.3) with parameters that are integers (3.3.1)
_ITEM = re.compile(r'"([ !#-\[\]-~]*)"((?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)')


def parsed(value: str) -> dict[str, dict[str, int]]:
    """A list of strings with parameters, read strictly."""
    found: dict[str, dict[str, int]] = {}
    for item in value.split(", "):
        match = _ITEM.fullmatch(item)
        assert match is not None, value
        told = [pair.split("=") for pair in match[2].split(";")[1:]]
        assert match[1] not in found, value
        found[match[1]] = {name: int(number) for name, number in told}
        assert len(told) == len(found[match[1]]), value
    return found


def told_by(quota: Quota, connection: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Policies and what is left, as an answer on this connection tells them."""
    fields: list[Field] = []
    tell_rates(quota)(Answer("GET", "/", 200, fields, 0.0, connection))
    if not fields:
        return {}, {}
    by_name = dict(fields)
    assert len(fields) == len(by_name) == 2
    return parsed(by_name["RateLimit-Policy"]), parsed(by_name["RateLimit"])


def asking(account: Account | None) -> Any:
    return SimpleNamespace(client="192.0.2.1", notes=Notes(account))


def account(user: str | None, key: Grant = NO_BOUNDS, own: Grant = NO_BOUNDS) -> Account:
    return Account(Owner("k", user), 1.0, key, own)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_key_is_told_what_is_left_to_it_and_when_there_is_more() -> None:
    clock = Clock()
    quota = Quota(Policy(), clock)
    whole = account(None, Grant(rate=Rate(3, 60)))
    assert told_by(quota, asking(whole)) == ({"key": {"q": 3, "w": 60}}, {"key": {"r": 3}})
    quota.count_begun(whole, asking(whole))
    clock.now_s += 9.5
    assert told_by(quota, asking(whole))[1] == {"key": {"r": 2, "t": 51}}


def test_a_user_is_told_his_own_and_nothing_that_his_keys_other_users_change() -> None:
    quota = Quota(Policy(begun_per_minute_of_user=5))
    ann, bob = account("ann"), account("bob")
    before = told_by(quota, asking(ann))
    assert before == ({"user": {"q": 5, "w": 60}}, {"user": {"r": 5}})
    for _ in range(3):
        quota.count_begun(bob, asking(bob))
    assert told_by(quota, asking(ann)) == before


def test_a_key_that_begins_something_for_a_user_is_told_both() -> None:
    quota = Quota(Policy())
    backend, ann = account(None), account("ann")
    connection = asking(backend)
    quota.count_begun(ann, connection)
    policies, left = told_by(quota, connection)
    assert policies == {"user": {"q": 6000, "w": 60}, "key": {"q": 60_000, "w": 60}}
    assert {whose: each["r"] for whose, each in left.items()} == {"user": 5999, "key": 59_999}


@pytest.mark.parametrize("whose", ["user", "key", "address"])
def test_whoever_is_refused_is_told_by_what(whose: str) -> None:
    quota = Quota(Policy(begun_per_minute_of_address=1 if whose == "address" else 100))
    once = Grant(rate=Rate(1, 60))
    ann = account("ann", *[once if whose == each else NO_BOUNDS for each in ("key", "user")])
    quota.count_begun(ann, asking(ann))
    connection = asking(ann)
    with pytest.raises(LimitReached):
        quota.count_begun(ann, connection)
    policies, left = told_by(quota, connection)
    assert set(policies) == set(left) == {"user", whose}
    assert policies[whose] == {"q": 1, "w": 60}
    assert left[whose]["r"] == 0
    assert 0 < left[whose]["t"] <= 60


def test_who_has_not_shown_who_it_is_is_told_nothing() -> None:
    assert told_by(Quota(Policy()), asking(None)) == ({}, {})


@given(st.integers(1, 999_999_999), st.integers(1, 86_400), st.text(min_size=1, max_size=20))
def test_whatever_the_rate_and_the_name_the_fields_can_be_read(
    count: int, period_s: int, name: str
) -> None:
    quota = Quota(Policy())
    ann = account(name, NO_BOUNDS, Grant(rate=Rate(count, period_s)))
    quota.count_begun(ann, asking(ann))
    policies, left = told_by(quota, asking(ann))
    assert policies == {"user": {"q": count, "w": period_s}}
    assert left["user"]["r"] == count - 1
    assert 0 < left["user"]["t"] <= period_s


Ask = Callable[[bytes], tuple[int, dict[str, str], dict[str, Any]]]


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    made = []

    def serving(**granted: Any) -> Served:
        made.append(Served(**granted))
        return made[-1]

    yield serving
    for each in made:
        each.end()


def ask(served: Served, request: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, fields and body of the answer to a request without its ``Host``."""
    line, _, rest = request.partition(b"\r\n")
    head, _, body = served.told(line + b"\r\n" + HOST + rest).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(each.split(": ", 1) for each in lines)
    told = json.loads(body) if body.startswith(b"{") else {}
    return int(status.split()[1]), fields, told


def post(path: str, code: str = '{"code":"1"}') -> bytes:
    size = f"Content-Type: application/json\r\nContent-Length: {len(code)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\n{size}{code}".encode()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n\r\n".encode()


def test_every_answer_to_a_caller_tells_it(serve: Callable[..., Served]) -> None:
    served = serve(begun_per_minute=2)
    for request, status in (
        (get("/v1/languages"), 200),
        (get("/v1/executions/unknown"), 404),
        (post("/execute"), 200),
        (post("/execute", "{"), 400),
        (get("/v1/executions/known/events"), 200),
    ):
        told, fields, _ = ask(served, request)
        assert told == status, request
        assert parsed(fields["RateLimit-Policy"]) == {"key": {"q": 2, "w": 60}}
        assert set(parsed(fields["RateLimit"])) == {"key"}
    for request in (get("/healthz"), get("/readyz"), get("/openapi.json"), get("/nowhere")):
        assert "RateLimit" not in ask(served, request)[1], request


def test_a_refusal_is_a_problem_that_says_whose_limit_it_is(serve: Callable[..., Served]) -> None:
    served = serve(begun_per_minute=1)
    assert ask(served, post("/execute"))[0] == 200
    for path in ("/execute", "/v1/executions", "/%65xecute"):
        status, fields, body = ask(served, post(path))
        assert (status, fields["Content-Type"]) == (429, "application/problem+json")
        assert body["type"] == "urn:vibecell:problem:limit-reached"
        assert body["detail"] == "executions of this key: at most 1/minute"
        assert 1 <= body["retry_after_s"] == int(fields["Retry-After"]) <= 60
        assert parsed(fields["RateLimit"])["key"]["r"] == 0


def test_of_who_goes_on_beyond_a_rate_no_body_is_read(serve: Callable[..., Served]) -> None:
    served = serve(begun_per_minute=1)
    assert [ask(served, post("/execute"))[0] for _ in range(2)] == [200, 429]
    endless = b"POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n"
    assert ask(served, endless + b"Content-Length: 999\r\n\r\n{")[0] == 429


def test_a_peer_that_is_refused_too_often_is_told_when_to_come_again(
    serve: Callable[..., Served],
) -> None:
    served = serve(refused_per_minute=1)
    assert ask(served, get("/nowhere"))[0] == 404
    status, fields, body = ask(served, get("/nowhere"))
    assert (status, fields["Content-Type"]) == (429, "application/problem+json")
    assert body["type"] == "urn:vibecell:problem:limit-reached"
    assert "address" in body["detail"]
    assert 1 <= body["retry_after_s"] == int(fields["Retry-After"]) <= 60
    assert ask(served, get("/healthz"))[0] == 200


def test_a_peer_with_too_many_connections_is_told_when_to_come_again(
    serve: Callable[..., Served],
) -> None:
    served = serve(connections_per_peer=1)
    with served.open():
        status, fields, body = ask(served, get("/healthz"))
    assert (status, fields["Retry-After"], body["retry_after_s"]) == (429, "1", 1)
    assert body["type"] == "urn:vibecell:problem:limit-reached"


def test_users_are_bounded_through_whatever_door(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    granted = Grant(rate=Rate(2, 60), streams=1)
    ann = Caller(account("ann", NO_BOUNDS, granted), kind="token")

    def caller(environ: Any, operation: Any) -> Caller:
        connection = environ["vibecell.handler"].connection
        connection.owner, connection.notes = ann.owner, Notes(ann.account)
        return ann

    monkeypatch.setattr(served.gateway.authenticator, "caller", caller)
    for path, expected in (("/execute", 200), ("/execute", 200), ("/v1/executions", 429)):
        status, fields, body = ask(served, post(path))
        assert status == expected
        assert set(parsed(fields["RateLimit-Policy"])) == {"user"}
    assert body["detail"] == "executions of this user: at most 2/minute"
    with served.gateway.quota.streaming(ann.account):
        status, _, body = ask(served, get("/v1/executions/known/events"))
    assert status == 429
    assert body["detail"] == "event streams and WebSockets of this user: at most 1"
    assert ask(served, get("/v1/executions/known/events"))[0] == 200
