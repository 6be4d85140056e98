"""A request's language and version are those of its class, whichever way it comes in.

Over an engine whose one class offers other versions and other languages than the
default: see ``service_process.py``.
"""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from integration.live import Service
from integration.test_websocket import hear, say, until_finished

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _our_own(service: Service) -> None:
    if service.live:
        pytest.skip("needs an engine with classes of its own, not a live one")


def by_execute(service: Service, **body: object) -> tuple[int, dict[str, Any]]:
    """``POST /execute``: status and answer."""
    answer = requests.post(f"{service.url}/execute", json=body, timeout=10)
    return answer.status_code, answer.json()


def by_executions(service: Service, **body: object) -> tuple[int, dict[str, Any]]:
    """``POST /v1/executions``: status, and the result or the problem."""
    headers = {"Prefer": "wait=10"}
    answer = requests.post(f"{service.url}/v1/executions", json=body, headers=headers, timeout=15)
    told = answer.json()
    return answer.status_code, told.get("result") or told


def by_websocket(service: Service, **body: object) -> tuple[int, dict[str, Any]]:
    """The same of a WebSocket."""
    with connect(f"{service.ws}/v1/executions/stream", proxy=None) as websocket:
        say(websocket, type="execute", **body)
        first = hear(websocket)
        if first["type"] == "error":
            return first["problem"]["status"], first["problem"]
        return 200, until_finished(websocket)[-1]["result"]


WAYS = [by_execute, by_executions, by_websocket]


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"version": "1"},
        {"language": "bash"},
        {"request_class": "newer"},
        {"request_class": "newer", "version": "2.1"},
        {"request_class": "newer", "language": "node", "version": "2"},
    ],
)
def test_what_its_class_offers_is_run(service: Service, ask: Ask, body: dict[str, str]) -> None:
    status, result = ask(service, code="print(42)", **body)
    assert (status, result["verdict"]) == (200, "accepted"), result


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"version": "2.1"}, "python is here at version 1.0 only"),
        ({"language": "javascript"}, "no such language; there are: bash, html, python"),
        ({"request_class": "newer", "version": "1"}, "python is here at version 2.1 only"),
        (
            {"request_class": "newer", "language": "sh"},
            "no such language; there are: html, javascript, poster, python",
        ),
    ],
)
def test_what_its_class_does_not_offer_is_refused(
    service: Service, ask: Ask, body: dict[str, str], detail: str
) -> None:
    status, problem = ask(service, code="print(42)", **body)
    assert (status, problem["detail"]) == (422, detail)
    assert problem["type"] == "urn:vibecell:problem:unsupported-language"


@pytest.mark.parametrize("ask", WAYS)
def test_a_class_that_is_none_is_named_with_those_there_are(service: Service, ask: Ask) -> None:
    status, problem = ask(service, code="1", request_class="nonesuch", language="cobol")
    told = {"path": "request_class", "message": "must be one of newer"}
    assert (status, problem["errors"]) == (422, [told])


def test_every_class_is_shown_with_what_it_offers(service: Service) -> None:
    told = requests.get(f"{service.url}/v1/languages", timeout=5).json()
    assert set(told) == {"languages", "classes"}
    offered = {name: {x["name"]: x["version"] for x in known}
               for name, known in (("", told["languages"]), *told["classes"].items())}  # fmt: skip
    assert offered == {
        "": {"python": "1.0", "bash": "1.0", "html": "5"},
        "newer": {"python": "2.1", "javascript": "2.0", "html": "5", "poster": "5"},
    }
    schemas = requests.get(f"{service.url}/openapi.json", timeout=5).json()["components"]["schemas"]
    fields = set(schemas["LanguageView"]["required"])
    assert all(set(x) == fields for x in (*told["languages"], *told["classes"]["newer"]))
    assert set(schemas["OfferView"]["required"]) == set(told)


def test_a_page_that_only_a_class_offers_is_shown_with_its_files(service: Service) -> None:
    files = [{"path": "poster.html", "content": "<b>a</b>"}, {"path": "a.js", "content": "1"}]
    body = {"files": files, "language": "poster", "request_class": "newer"}
    begun = requests.post(f"{service.url}/v1/executions", json=body, timeout=10)
    assert begun.status_code == 202, begun.text
    base = f"{service.url}/v1/executions/{begun.json()['id']}/page/"
    assert requests.get(base, timeout=5).text.endswith("<b>a</b>")
    assert requests.get(f"{base}a.js", timeout=5).text == "1"
