"""What pages of a listed origin can do with a service in a real browser, and others cannot.

``origins.mjs`` does it with chromium, in a page; the service's programs are scripted ones.
"""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from e2e.browser import driven
from host import Service

TIMEOUT_S = 120.0
pytestmark = pytest.mark.timeout(2 * TIMEOUT_S + 120)  # the service may have to start first
BEGUN = 'vibecell_http_requests_total{method="POST",route="/execute",status="200"}'


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if self.path == "/opaque":
            self.send_header("Content-Security-Policy", "sandbox allow-scripts allow-forms")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a platform</title><body></body>")

    def log_message(self, *_: Any) -> None:
        """Nothing: a test has a report of its own."""


@pytest.fixture(scope="module")
def platforms() -> Iterator[tuple[str, str]]:
    """Two origins with a page each."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Page) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tuple(f"http://localhost:{server.server_port}" for server in servers)  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def service(
    platforms: tuple[str, str], start_service: Callable[[dict[str, str]], Service]
) -> Service:
    """One that lists the first of them."""
    gateway = {"ALLOWED_ORIGINS": platforms[0], "BEGUN_PER_MINUTE": "40"}
    named = {f"VIBECELL_GATEWAY__{name}": value for name, value in gateway.items()}
    return start_service({"VIBECELL_BACKEND": "fake", **named})


@pytest.fixture(scope="module")
def shown(service: Service) -> str:
    """An execution that is a page."""
    page = "<!doctype html><script>console.log('hello from the page')</script>"
    asked = {"language": "html", "code": page, "on_disconnect": "continue"}
    answer = requests.post(f"{service.url}/execute", json=asked, timeout=30)
    return str(answer.json()["id"])


def _programs_run(service: Service) -> int:
    lines = requests.get(f"{service.url}/metrics", timeout=10).text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(BEGUN))


def _seen(service: Service, page: str, shown: str) -> dict[str, Any]:
    return driven("origins.mjs", service.url, page, shown, timeout_s=TIMEOUT_S)


def test_a_page_of_another_origin_can_do_nothing(
    service: Service, platforms: tuple[str, str], shown: str
) -> None:
    for page in (platforms[1], f"{platforms[0]}/opaque"):
        before = _programs_run(service)
        seen = _seen(service, page, shown)
        assert seen.pop("form") == "sent"
        assert seen.pop("blocked_frames") == 3
        assert seen.pop("frame_of_the_playground") == "loaded"  # the browser's own page, it says
        assert [name for name, told in seen.items() if not str(told).startswith("failed: ")] == []
        assert _programs_run(service) == before


def test_a_page_of_a_listed_origin_can_do_what_a_platform_needs(
    service: Service, platforms: tuple[str, str], shown: str
) -> None:
    seen = _seen(service, platforms[0], shown)
    assert seen.pop("blocked_frames") == 2  # the playground, and the refusal that a form got
    for name in ("another_method", "another_field", "with_cookies", "not_to_be_read"):
        assert seen.pop(name) == "failed: Failed to fetch"
    assert seen == {
        "execute": [200, "hi\n"],
        "field_that_is_wrong": [422, "nonsense"],
        "body_too_large": [413, "Request Entity Too Large"],
        "text_that_needs_no_preflight": [415, "Unsupported Media Type"],
        "form": "sent",
        "begin": [200, "finished", True, "wait=10"],
        "stream": [200, True, True],
        "event_source": "accepted",
        "event_source_of_another": "read",
        "delete": 204,
        "languages": True,
        "socket": "accepted",
        "frame": "hello from the page",
        "frame_of_the_playground": "loaded",
        "too_often": [429, True, True],
    }
