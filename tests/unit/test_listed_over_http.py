"""What a query for a list of executions means, and what comes back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from vibecell.model.caller import Account, Caller, Owner
from vibecell.model.status import ExecutionSummary, Listing, Selection
from vibecell.model.verdicts import Verdict

from .served_gateway import HOST, Served

SHOWN = ExecutionSummary("a", "finished", "python", "ann", 5, 9, Verdict.ACCEPTED)


class _Asked:
    """A gateway whose executor notes what it is asked for."""

    def __init__(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self._served = served
        self.asked: list[tuple[Owner, Selection]] = []
        monkeypatch.setattr(served.gateway.executor, "executions", self._executions, raising=False)

    def _executions(self, owner: Owner, selection: Selection) -> Listing:
        self.asked.append((owner, selection))
        return Listing((SHOWN,), "17")

    def get(self, query: str) -> tuple[int, dict[str, Any]]:
        told = self._served.told(
            b"GET /v1/executions" + query.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        )
        head, _, body = told.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Asked]:
    served = Served()
    yield _Asked(served, monkeypatch)
    served.end()


def test_a_list_is_shown_with_all_that_is_known(gateway: _Asked) -> None:
    assert gateway.get("") == (
        200,
        {
            "executions": [
                {
                    "id": "a",
                    "state": "finished",
                    "language": "python",
                    "user": "ann",
                    "begun_at_ms": 5,
                    "ended_at_ms": 9,
                    "verdict": "accepted",
                }
            ],
            "next_page": "17",
        },
    )
    assert gateway.asked == [(Owner("local"), Selection())]


def test_a_query_selects(gateway: _Asked) -> None:
    query = "?state=running&user=ann&begun_from_ms=5&begun_before_ms=1764522000000&page=17&limit=3"
    assert gateway.get(query)[0] == 200
    selection = Selection("running", 5, 1_764_522_000_000, "17", 3)
    assert gateway.asked == [(Owner("local", "ann"), selection)]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("state=ended", 400),
        ("state=running&state=queued", 400),
        ("limit=x", 400),
        ("limit=-1", 400),
        ("limit=1&limit=2", 400),
        ("page=a%20b", 400),
        ("page=" + "1" * 65, 400),
        ("page=", 400),
        ("begun_from_ms=1.5", 400),
        ("begun_before_ms=" + "9" * 16, 400),
        ("limit=0", 422),
        ("limit=101", 422),
        ("user=", 422),
        ("user=a%0ab", 422),
        ("user=" + "u" * 129, 422),
    ],
)
def test_what_selects_nothing_is_refused(gateway: _Asked, query: str, status: int) -> None:
    assert gateway.get(f"?{query}")[0] == status
    assert gateway.asked == []


def test_a_user_may_name_himself_and_nobody_else(
    gateway: _Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Caller(Account(Owner("k", "ann")), kind="token")
    monkeypatch.setattr(gateway._served.gateway, "caller", lambda scope=None: ann)
    assert gateway.get("?user=ann")[0] == 200
    assert gateway.get("?user=bob")[0] == 403
    assert gateway.get("")[0] == 200
    assert [owner for owner, _ in gateway.asked] == [Owner("k", "ann")] * 2
