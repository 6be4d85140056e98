"""Behind the real nginx, by the file that deploy/ has for it."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from websockets.sync.client import connect

from host import lacking
from integration.live import Service
from tls_proxy import certificate
from vibecell.config import Settings
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.identity.presented import MAX_CHARACTERS
from vibecell.model.limits import DEFAULT_CEILING, MIB

KEY = "0123456789abcdef-key"
NAMED = {"Authorization": f"Bearer {KEY}"}
CONFIG = Path(__file__).parents[2] / "deploy" / "reverse-proxy" / "nginx.conf"
# Debian has it where an ordinary user's PATH does not look
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
ONE, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/vibecell.conf;
}}
"""


class _From(HTTPAdapter):
    """Connects from an address of this machine's many."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: int, **more: object) -> None:  # type: ignore[override]
        super().init_poolmanager(*args, source_address=(self._address, 0), **more)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Proxied:
    """A service, as clients of nginx see it."""

    port: int
    trusted: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/run"

    def client(self, address: str = ONE) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # which names other certificates, maybe
        session.verify = str(self.trusted)
        session.mount("https://", _From(address))
        return session


def _config(folder: Path, port: int, upstream: int) -> str:
    """The file as it is, but for its marked lines."""
    key, cert = certificate(folder)
    text = CONFIG.read_text()
    for old, new in (
        ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server_name code.example;", "server_name localhost;"),
        ("/etc/ssl/certs/code.example.pem", str(cert)),
        ("/etc/ssl/private/code.example.key", str(key)),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def behind(
    make_shared_service: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Proxied]]:
    """A service behind an nginx of its own, by the rules it is given."""
    nginx = shutil.which("nginx", path=PATH)
    if nginx is None or shutil.which("openssl") is None:
        lacking("nginx and openssl")
    running = []

    def make(**policy: object) -> Proxied:
        folder, port = tmp_path_factory.mktemp("nginx"), _free_port()
        public = {"public_url": f"https://localhost:{port}/run"}
        trusting = {"api_keys": [KEY], "trusted_proxies": ["127.0.0.1"]}
        service = make_shared_service(policy={**public, **trusting, **policy})
        (folder / "vibecell.conf").write_text(_config(folder, port, service.port))
        user = "user root;" if os.geteuid() == 0 else ""  # or its workers cannot enter the folder
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        process = subprocess.Popen([*command, "-e", str(folder / "error.log")])
        running.append(process)
        proxied = Proxied(port, folder / "cert.pem")
        for _ in range(200):
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return proxied
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    yield make
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def proxied(behind: Callable[..., Proxied]) -> Proxied:
    return behind(wrong_keys_per_minute=2, allowed_origins=["https://shop.example"])


def test_programs_run_and_links_lead_through_it(proxied: Proxied) -> None:
    with proxied.client() as client:
        for _ in range(5):  # on connections that are kept
            ran = client.post(f"{proxied.url}/execute", json={"code": "print(6)"}, headers=NAMED)
            assert (ran.status_code, ran.json()["output"]) == (200, "6\n")
        begun = client.post(
            f"{proxied.url}/v1/executions", json={"code": "print(1)"}, headers=NAMED
        )
        assert begun.headers["Location"] == f"{proxied.url}/v1/executions/{begun.json()['id']}"
        told = client.get(f"{proxied.url}/openapi.json").json()
        assert told["servers"] == [{"url": proxied.url}]


def test_the_path_without_its_slash_leads_to_the_page(proxied: Proxied) -> None:
    with proxied.client() as client:
        answer = client.get(f"{proxied.url}?a=1&b=2", allow_redirects=False)
        assert answer.status_code in (301, 308)
        assert answer.headers["Location"] == "/run/?a=1&b=2"


def test_a_body_has_the_bound_of_the_service(proxied: Proxied) -> None:
    with proxied.client() as client:
        padded = {"code": "print(1)", "stdin": "x" * 1_900_000}
        assert client.post(f"{proxied.url}/execute", json=padded, headers=NAMED).status_code == 200
        padded["stdin"] *= 2
        page = {**NAMED, "Origin": "https://shop.example"}
        refused = client.post(f"{proxied.url}/execute", json=padded, headers=page)
        assert refused.status_code == 413
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_events_arrive_one_by_one(proxied: Proxied) -> None:
    with proxied.client() as client:
        code = "print('a')\nsleep(0.6)\nprint('b')\nsleep(0.6)\nprint('c')"
        begun = client.post(f"{proxied.url}/v1/executions", json={"code": code}, headers=NAMED)
        arrived = {}
        with client.get(
            f"{proxied.url}/v1/executions/{begun.json()['id']}/events",
            headers={**NAMED, "Accept": "text/event-stream"},
            stream=True,
        ) as events:
            for line in events.iter_lines(chunk_size=1):
                if line.startswith(b"data: ") and (data := json.loads(line[6:])):
                    arrived[data.get("data", data["type"]).strip()] = time.monotonic()
    assert arrived["b"] - arrived["a"] > 0.3
    assert arrived["c"] - arrived["b"] > 0.3
    assert arrived["finished"] >= arrived["c"]


def test_a_websocket_goes_both_ways(proxied: Proxied) -> None:
    trusted = ssl.create_default_context(cafile=str(proxied.trusted))
    url = f"wss://localhost:{proxied.port}/run/v1/executions/stream"
    own = f"https://localhost:{proxied.port}"
    with connect(url, ssl=trusted, additional_headers=NAMED, origin=own) as socket_:  # type: ignore[arg-type]
        code = "print('name?')\nprint(input())"
        asked = {"type": "execute", "code": code, "interactive": "pipe"}
        socket_.send(json.dumps(asked))
        output = ""
        for message in socket_:
            event = json.loads(message)
            if event["type"] == "stream":
                output += event["data"]
                if output == "name?\n":
                    socket_.send(json.dumps({"type": "stdin", "data": "Ada\n"}))
            if event["type"] == "finished":
                assert event["result"]["verdict"] == "accepted"
    assert output == "name?\nAda\n"


def test_a_client_that_leaves_is_noticed_through_it(proxied: Proxied) -> None:
    with proxied.client() as client:
        asked = {"code": "while True: pass", "user": "leaver"}
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.post(f"{proxied.url}/execute", json=asked, headers=NAMED, timeout=(5, 0.5))
    with proxied.client() as client:
        for _ in range(100):
            listed = client.get(f"{proxied.url}/v1/executions?user=leaver", headers=NAMED).json()
            if listed["executions"][0]["state"] == "finished":
                return
            time.sleep(0.1)
    raise AssertionError(listed)


def test_its_times_and_sizes_fit_those_of_the_service() -> None:
    text = CONFIG.read_text()

    def number(directive: str, unit: str) -> int:
        match = re.search(rf"^ *{directive} ([0-9]+){unit};", text, re.M)
        assert match is not None, directive
        return int(match[1])

    assert number("proxy_read_timeout", "h") * 3600 > DEFAULT_CEILING.wall_time_ms / 1000
    assert number("keepalive_timeout", "s") < ServerLimits().idle_s
    assert number("client_max_body_size", "m") * MIB > Settings().body_limit_bytes


@pytest.mark.parametrize("where", ["header", "subprotocol"])
def test_the_longest_credential_there_may_be_passes_through_it(
    proxied: Proxied, where: str
) -> None:
    longest = "x" * MAX_CHARACTERS
    names = {
        "header": {"Authorization": f"Bearer {longest}"},
        "subprotocol": {"Sec-WebSocket-Protocol": f"vibecell.v1, vibecell.key.{longest}"},
    }
    with proxied.client(THIRD) as client:
        refused = client.get(f"{proxied.url}/v1/languages", headers=names[where])
        assert refused.status_code == 401
        assert refused.headers["Content-Type"] == "application/problem+json"


def test_nobody_is_local_behind_it(proxied: Proxied) -> None:
    with proxied.client() as client:
        for path in ("/metrics", "/v1/languages"):
            assert client.get(f"{proxied.url}{path}").status_code == 401
        assert client.get(f"{proxied.url}/metrics", headers=NAMED).status_code == 200
        assert client.get(f"{proxied.url}/healthz").status_code == 200


def test_whom_a_client_claims_to_be_changes_nothing(proxied: Proxied) -> None:
    url = f"{proxied.url}/v1/languages"
    with proxied.client(ONE) as one, proxied.client(OTHER) as other:
        statuses = []
        for n in range(4):
            spoofed = {"X-Forwarded-For": f"192.0.2.{n}", "Forwarded": f"for=192.0.2.{n}"}
            wrong = {"Authorization": "Bearer wrong", **spoofed, "X-Real-IP": f"192.0.2.{n}"}
            statuses.append(one.get(url, headers=wrong).status_code)
        assert statuses == [401, 401, 429, 429]
        assert other.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_what_one_client_has_open_leaves_room_for_others(behind: Callable[..., Proxied]) -> None:
    proxied = behind(connections_per_peer=2)
    with proxied.client(ONE) as one, proxied.client(OTHER) as other:
        begun = one.post(
            f"{proxied.url}/v1/executions", json={"code": "while True: pass"}, headers=NAMED
        ).json()
        url = f"{proxied.url}/v1/executions/{begun['id']}"
        streams = [one.get(f"{url}/events", headers=NAMED, stream=True) for _ in range(2)]
        assert [stream.status_code for stream in streams] == [200, 200]
        refused = one.get(url, headers=NAMED)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert other.delete(url, headers=NAMED).status_code == 204
        for stream in streams:
            stream.close()
