"""Who may ask, how much, and what the gateway remembers."""

from dataclasses import asdict, fields, replace
from typing import Any, ClassVar

import gevent
import pytest

from vibecell.config import Settings
from vibecell.gateway.api.openapi import describe
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.page_files import PageFiles
from vibecell.gateway.policy import Policy
from vibecell.gateway.watchers import Watchers
from vibecell.model.access import Access
from vibecell.model.errors import (
    EngineUnavailable,
    UnknownExecution,
    VibecellError,
)
from vibecell.model.events import Cancel, Control
from vibecell.model.execution import OnDisconnect
from vibecell.model.status import Standing


def test_a_policy_grants_what_the_settings_say_and_defines_none_of_it_again() -> None:
    room_bytes = 10_000_000  # of more than one body
    granted = Access(7, 6, 5, room_bytes, 4, 4, 4, 4, 3, 2.5, 1.5, 0.5, ("https://listed.example",))
    policy = Policy.from_settings(Settings(gateway=granted))
    names = {each.name for each in fields(Access)}
    assert {name: getattr(policy, name) for name in names} == asdict(granted)
    assert not names & (Policy.__annotations__.keys() | ServerLimits.__annotations__.keys())


class _Executor:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Control]] = []
        self.errors: list[VibecellError] = []

    def control(self, execution_id: str, owner: str, control: Control) -> None:
        self.sent.append((execution_id, owner, control))
        if self.errors:
            raise self.errors.pop()


class TestWatchers:
    STANDING = Standing("e", "running", 1, "utf-8", "cancel")

    def made(self) -> tuple[Watchers, _Executor]:
        executor = _Executor()
        return Watchers(executor, grace_s=0.02), executor  # type: ignore[arg-type]

    def test_the_last_to_leave_cancels(self) -> None:
        watchers, executor = self.made()
        watchers.arrive(self.STANDING)
        watchers.arrive(self.STANDING)
        watchers.leave(self.STANDING, "o", finished=False)
        gevent.sleep(0.05)
        assert executor.sent == []
        watchers.leave(self.STANDING, "o", finished=False)
        gevent.sleep(0.05)
        assert executor.sent == [("e", "o", Cancel())]

    def test_coming_back_keeps_it(self) -> None:
        watchers, executor = self.made()
        watchers.arrive(self.STANDING)
        watchers.leave(self.STANDING, "o", finished=False)
        watchers.arrive(self.STANDING)
        gevent.sleep(0.05)
        assert executor.sent == []

    @pytest.mark.parametrize(
        ("errors", "asked"),
        [
            ([EngineUnavailable("reach the engine")] * 2, 3),
            ([EngineUnavailable("reach the engine")] * 99, 4),
            ([UnknownExecution("no such execution")], 1),
        ],
    )
    def test_an_executor_that_cannot_be_asked_is_asked_again(
        self, errors: list[VibecellError], asked: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vibecell.gateway.watchers._TRY_AGAIN_S", (0.001, 0.001, 0.001))
        watchers, executor = self.made()
        executor.errors = list(errors)
        watchers.cancel("e", "o")
        gevent.sleep(0.1)
        assert executor.sent == [("e", "o", Cancel())] * asked

    @pytest.mark.parametrize(("wish", "finished"), [("continue", False), ("cancel", True)])
    def test_what_goes_on_by_wish_or_has_ended_is_not_cancelled(
        self, wish: OnDisconnect, finished: bool
    ) -> None:
        watchers, executor = self.made()
        standing = replace(self.STANDING, on_disconnect=wish)
        watchers.arrive(standing)
        watchers.leave(standing, "o", finished)
        gevent.sleep(0.05)
        assert executor.sent == []


class TestPageFiles:
    FILES: ClassVar = {"index.html": b"x" * 100}

    def test_it_is_bounded_in_bytes(self) -> None:
        pages = PageFiles(60.0, bytes_in_all=250)
        for name in "abc":
            pages.remember(name, "index.html", self.FILES)
        assert pages.find("a") is None
        assert pages.find("c") is not None

    def test_one_that_is_known_stays_as_it_is(self) -> None:
        pages = PageFiles(60.0, bytes_in_all=250)
        for _ in range(3):
            pages.remember("a", "index.html", self.FILES)
        pages.remember("b", "index.html", self.FILES)
        assert pages.find("a") is not None

    def test_it_is_bounded_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = [1000.0]
        monkeypatch.setattr("vibecell.gateway.page_files.time.monotonic", lambda: now_s[0])
        pages = PageFiles(60.0, bytes_in_all=250)
        pages.remember("a", "index.html", self.FILES)
        now_s[0] += 59
        assert pages.find("a") is not None
        now_s[0] += 2
        assert pages.find("a") is None
        for name in "abc":  # what is too old takes no room
            pages.remember(name, "index.html", self.FILES)
        assert [name for name in "abc" if pages.find(name)] == ["b", "c"]

    def test_one_that_comes_again_when_it_is_too_old_counts_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now_s = [1000.0]
        monkeypatch.setattr("vibecell.gateway.page_files.time.monotonic", lambda: now_s[0])
        pages = PageFiles(60.0, bytes_in_all=250)
        for _ in range(5):
            pages.remember("a", "index.html", self.FILES)
            now_s[0] += 61
        pages.remember("a", "index.html", self.FILES)
        pages.remember("b", "index.html", self.FILES)
        assert pages.find("a") is not None
        assert pages.find("b") is not None


def test_the_shapes_of_the_description_keep_their_names() -> None:
    described: dict[str, Any] = describe()
    shapes = set(described["components"]["schemas"])
    assert shapes == {
        "Problem", "Verdict", "Control", "Event",
        "ExecuteBody", "ExecuteReply", "FileBody", "LimitsBody",
        "CancelControl", "EndOfInputControl", "ResizeControl", "SignalControl", "StdinControl",
        "QueuedView", "StartedView", "StreamView", "DisplayView", "ExitedView", "FinishedView",
        "ExecutionView", "ResultView", "StageView", "OutcomeView", "UsageView", "FileView",
        "OfferView", "LanguageView", "KeptDisplayView", "OmittedFileView",
        "ListingView", "ExecutionSummaryView", "UsageSampleView",
        "TokenBody", "GrantBody", "TokenView", "TicketBody", "TicketView",
    }  # fmt: skip


def test_every_reference_of_the_description_resolves() -> None:
    described: dict[str, Any] = describe()
    names = {
        f"#/components/{kind}/{name}"
        for kind, parts in described["components"].items()
        for name in parts
    }

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            here = {node["$ref"]} if "$ref" in node else set()
            return here.union(*(references(x) for x in node.values()))
        if isinstance(node, list):
            return set().union(*(references(x) for x in node))
        return set()

    assert references(described) <= names
