"""A running service and an identity provider: who signed in there is served here."""

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from .crashes_service import LiveService, until
from .test_keys_served import Deployment, deployment

__all__ = ["deployment"]  # a fixture

FIRST, SECOND = (rsa.generate_private_key(65537, 2048) for _ in range(2))


class Provider:
    """Publishes public keys on this machine, as long as it is not away."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {"first": FIRST}
        self.is_away = False
        self.asked: list[str] = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                self.send_response(500 if provider.is_away else 200)
                self.end_headers()
                self.wfile.write(provider.document())

            def log_message(self, *said: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def document(self) -> bytes:
        found = []
        for kid, key in self.keys.items():
            told = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
            found.append({"kid": kid, "use": "sig", **told})
        return json.dumps({"keys": found}).encode()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


@contextmanager
def serving(deployment: Deployment, provider: Provider, key: str) -> Iterator[LiveService]:
    described = {
        "issuer": "https://login.example/",
        "audience": "vibecell",
        "jwks_url": provider.url,
        "key": key,
        "scope_claim": "permissions",
        "scopes": {"run": "execute", "see": "read", "all": "metrics"},
    }
    with deployment.serving(identity_providers=json.dumps({"login": described})) as service:
        yield service


def signed(user: str, key: rsa.RSAPrivateKey = FIRST, kid: str = "first", **more: Any) -> str:
    claims = {
        "iss": "https://login.example/",
        "aud": "vibecell",
        "sub": user,
        "exp": int(time.time()) + 300,
        "permissions": ["run", "see", "all"],
        **more,
    }
    return jwt.encode(claims, key, "RS256", headers={"kid": kid})


def ask(service: LiveService, token: str, path: str = "/execute") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    if path == "/execute":
        url, body = f"{service.url}{path}", {"code": "print(1)"}
        return requests.post(url, json=body, headers=headers, timeout=30)
    return requests.get(f"{service.url}{path}", headers=headers, timeout=30)


def problem(answer: requests.Response) -> str:
    told: str = answer.json()["type"].rpartition(":")[2]
    return told


def test_who_signed_in_elsewhere_is_a_user_of_the_key(
    deployment: Deployment, provider: Provider
) -> None:
    made = deployment.keys("create", "shop", "--scopes", "execute,read")
    with serving(deployment, provider, made["id"]) as service:
        ann, ben = signed("ann"), signed("ben")
        began = ask(service, ann).json()
        assert began["verdict"] == "accepted"
        path = f"/v1/executions/{began['id']}"
        assert ask(service, ann, path).status_code == 200
        assert ask(service, made["key"], path).status_code == 200  # the platform sees it
        assert ask(service, ben, path).status_code == 404
        assert ask(service, signed("ann", permissions=["see"])).status_code == 403
        assert problem(ask(service, signed("ann", exp=1))) == "credential-expired"
        for wrong in (signed("ann", SECOND), signed("ann", aud="other"), signed("ann", kid="x")):
            assert problem(ask(service, wrong)) == "credential-wrong"
        assert provider.asked[0] == "/keys" and len(provider.asked) == 1
        deployment.keys("revoke", made["id"])
        until(lambda: ask(service, ann).status_code == 401, 3)
        assert problem(ask(service, ann)) == "credential-revoked"


def test_a_provider_that_was_never_there_lets_nobody_in_and_keys_go_on(
    deployment: Deployment, provider: Provider
) -> None:
    made = deployment.keys("create", "shop")
    provider.is_away = True
    with serving(deployment, provider, made["id"]) as service:
        refused = ask(service, signed("ann"))
        assert (refused.status_code, problem(refused)) == (503, "store-unavailable")
        assert "Retry-After" in refused.headers and "127.0.0.1" not in refused.text
        assert ask(service, made["key"]).status_code == 200


def all_of(service: LiveService) -> dict[str, int]:
    """The processes of a service, by their roles."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode().split("\0")
            stat = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat[1]) == service.process.pid and "internal" in words:
            found[words[words.index("internal") + 1]] = int(path.name)
    return found


def uid_of(pid: int) -> str:
    """The effective one; a process that changed user is root's in /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[2] for line in lines if line.startswith("Uid:"))


def test_a_courier_is_nobody_else_knows_no_key_and_comes_again(
    deployment: Deployment, provider: Provider
) -> None:
    made = deployment.keys("create", "shop")
    with serving(deployment, provider, made["id"]) as service:
        assert ask(service, signed("ann")).status_code == 200
        courier = all_of(service)["courier"]
        status = Path(f"/proc/{courier}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        if os.geteuid() == 0:
            uids = {uid_of(pid) for pid in all_of(service).values()}
            assert len(uids) == 3  # gateway, engine and courier
            assert "CapEff:\t0000000000000000" in status
        os.kill(courier, 9)
        until(lambda: all_of(service).get("courier") not in (None, courier), 10)
        provider.keys["second"] = SECOND
        assert ask(service, signed("ann")).status_code == 200
        assert ask(service, signed("ann", SECOND, "second")).status_code == 200
        assert list(Path(service.run_dir).glob("courier*"))
    assert [path.name for path in Path(service.run_dir).glob("courier*")] == []


def test_without_a_provider_there_is_no_courier(deployment: Deployment) -> None:
    with deployment.serving() as service:
        assert set(all_of(service)) == {"engine", "gateway"}
        assert not list(Path(service.run_dir).glob("courier*"))
