"""Who may ask, how much, and what the gateway remembers."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from vibecell.gateway.api.openapi import describe
from vibecell.gateway.api.pages import CONSOLE_SCRIPT, with_console
from vibecell.gateway.auth import Authenticator, key_of_protocols
from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import Quota
from vibecell.gateway.registry import Registry
from vibecell.gateway.transports.websocket import origin_is_allowed
from vibecell.model.events import Cancel, Control
from vibecell.model.execution import ExecutionRequest, SourceFile

KEY = "0123456789abcdef-key"


def environ(peer: str = "127.0.0.1", **fields: str) -> dict[str, Any]:
    handler = SimpleNamespace(connection=SimpleNamespace(peer=peer))
    return {"vibecell.handler": handler, **fields}


class TestAuthenticator:
    def test_without_keys_this_machine_only(self) -> None:
        asked = Authenticator(Policy())
        assert asked.owner(environ()) == asked.owner(environ("::1")) == "local"
        with pytest.raises(Forbidden):
            asked.owner(environ("192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1"))

    def test_keys_name_owners(self) -> None:
        asked = Authenticator(Policy(api_keys=(KEY, KEY + "2")))
        owners = {
            asked.owner(environ(HTTP_AUTHORIZATION=f"Bearer {key}")) for key in (KEY, KEY + "2")
        }
        assert len(owners) == 2
        assert not any(KEY in owner for owner in owners)

    def test_wrong_keys_do_not_lock_out_right_ones(self) -> None:
        asked = Authenticator(Policy(api_keys=(KEY,)))
        for _ in range(100):
            with pytest.raises((Unauthorized, TooManyRequests)):
                asked.owner(environ(HTTP_AUTHORIZATION=f"Bearer {KEY}x"))
        with pytest.raises(TooManyRequests):
            asked.owner(environ(HTTP_AUTHORIZATION=f"Bearer {KEY}x"))
        assert asked.owner(environ(HTTP_AUTHORIZATION=f"Bearer {KEY}"))

    @pytest.mark.parametrize("given", ["", KEY, f"Basic {KEY}", f"Bearer  {KEY}", f"Bearer {KEY} "])
    def test_other_headers_are_refused(self, given: str) -> None:
        with pytest.raises(Unauthorized):
            Authenticator(Policy(api_keys=(KEY,))).owner(environ(HTTP_AUTHORIZATION=given))

    def test_subprotocols(self) -> None:
        assert key_of_protocols(f"vibecell.key.{KEY}") == KEY
        assert key_of_protocols("chat, other") is None
        assert key_of_protocols(f"vibecell.key.{KEY}, vibecell.key.x") == ""


class TestQuota:
    def test_places_come_back(self) -> None:
        quota = Quota(Policy(concurrent=1))
        lease = quota.lease("a")
        quota.lease("b")
        with pytest.raises(TooManyRequests):
            quota.lease("a")
        lease.release()
        lease.release()
        with quota.place("a"):
            assert quota.open == 2
        assert quota.open == 1

    def test_rates_are_per_owner(self) -> None:
        quota = Quota(Policy(rate="1/minute"))
        quota.begin("a")
        quota.begin("b")
        with pytest.raises(TooManyRequests):
            quota.begin("a")

    def test_the_window_moves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = [1000.0]
        monkeypatch.setattr("vibecell.gateway.quota.time.monotonic", lambda: now_s[0])
        quota = Quota(Policy(rate="2/minute"))
        quota.begin("a")
        now_s[0] += 40
        quota.begin("a")
        with pytest.raises(TooManyRequests) as caught:
            quota.begin("a")
        assert caught.value.retry_after == 20
        now_s[0] += 20
        quota.begin("a")
        with pytest.raises(TooManyRequests):
            quota.begin("a")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8000", True),
        ("http://LOCALHOST:8000", True),
        ("http://localhost", False),
        ("http://localhost.evil.example:8000", False),
        ("https://listed.example", True),
        ("null", False),
        ("", False),
        ("http://localhost:99999999", False),
    ],
)
def test_origins(origin: str | None, allowed: bool) -> None:
    assert origin_is_allowed(origin, "localhost:8000", {"https://listed.example"}) is allowed


class _Executor:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Control]] = []

    def control(self, execution_id: str, owner: str, control: Control) -> None:
        self.sent.append((execution_id, control))


class TestRegistry:
    REQUEST = ExecutionRequest("html", (SourceFile("index.html", b"x" * 100),))

    def made(self, **rules: Any) -> tuple[Registry, _Executor]:
        executor = _Executor()
        policy = Policy(disconnect_grace_s=0.02, **rules)
        return Registry(executor, policy), executor  # type: ignore[arg-type]

    def test_the_last_to_leave_cancels(self) -> None:
        registry, executor = self.made()
        record = registry.remember("e", "o", self.REQUEST)
        registry.arrive(record)
        registry.arrive(record)
        registry.leave(record, finished=False)
        gevent.sleep(0.05)
        assert executor.sent == []
        registry.leave(record, finished=False)
        gevent.sleep(0.05)
        assert executor.sent == [("e", Cancel())]

    def test_a_second_name_for_it_keeps_its_watchers(self) -> None:
        registry, executor = self.made()
        record = registry.remember("e", "o", self.REQUEST)
        registry.arrive(record)
        again = registry.remember("e", "o", self.REQUEST)
        registry.arrive(again)
        registry.leave(record, finished=False)
        gevent.sleep(0.05)
        assert executor.sent == []

    def test_coming_back_keeps_it(self) -> None:
        registry, executor = self.made()
        record = registry.remember("e", "o", self.REQUEST)
        registry.arrive(record)
        registry.leave(record, finished=False)
        registry.arrive(record)
        gevent.sleep(0.05)
        assert executor.sent == []

    def test_it_is_bounded_in_bytes(self) -> None:
        registry, _ = self.made(record_bytes=250)
        for name in "abc":
            registry.remember(name, "o", self.REQUEST, "index.html")
        assert registry.find("a") is None
        assert registry.find("c") is not None
        assert registry.owned("c", "another") is None

    def test_it_is_bounded_in_time(self) -> None:
        registry, _ = self.made(record_ttl_s=0.0)
        registry.remember("a", "o", self.REQUEST)
        assert registry.find("a") is None


@pytest.mark.parametrize(
    ("page", "before"),
    [
        (b"<p>x", b""),
        (b"<!DOCTYPE html><p>", b"<!DOCTYPE html>"),
        (
            b"\xef\xbb\xbf <!-- a --> <!doctype html>\n<p>",
            b"\xef\xbb\xbf <!-- a --> <!doctype html>",
        ),
        (b"<!-- never closed", b""),
        (b"", b""),
    ],
)
def test_the_console_script_keeps_standards_mode(page: bytes, before: bytes) -> None:
    assert with_console(page) == before + CONSOLE_SCRIPT + page[len(before) :]


def test_every_reference_of_the_description_resolves() -> None:
    described: dict[str, Any] = describe()
    names = set(described["components"]["schemas"])

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            here = {node["$ref"].rpartition("/")[2]} if "$ref" in node else set()
            return here.union(*(references(x) for x in node.values()))
        if isinstance(node, list):
            return set().union(*(references(x) for x in node))
        return set()

    assert references(described) <= names
