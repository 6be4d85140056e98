"""The audit of a running service: who, what, when, from where; and nothing of what was said."""

import contextlib
import json
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from vibecell.config import Settings
from vibecell.sharing.sqlite_audit import FILE_NAME

from .crashes_service import LiveService, until
from .test_keys_served import Deployment

IN_CODE, IN_OUTPUT, IN_FILE = "planted-in-code", "planted-in-output", "planted-in-a-file"
IN_STDIN, IN_ENV, IN_TICKET = "planted-on-stdin", "planted-in-env", "planted"
CODE = f"""
# {IN_CODE}
import os, sys
print({IN_OUTPUT[:8]!r} + {IN_OUTPUT[8:]!r}, sys.stdin.read(), os.environ["WORD"])
open("left.txt", "w").write({IN_FILE!r})
"""
WRITTEN_S = 60.0


class Audited(Deployment):
    """A state directory of its own, and its audit."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.settings["backend"] = "bubblewrap"
        self.stores = state / "audit", state / "gateway" / "audit"

    def audit(self, *words: str, **settings: str) -> list[dict[str, Any]]:
        done = self.command("audit", *words, "--json", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def has(self, *words: str, count: int = 1) -> list[dict[str, Any]]:
        """What is found, once there is as much of it."""
        assert until(lambda: len(self.audit(*words)) >= count, WRITTEN_S)
        found = self.audit(*words)
        assert len(found) == count
        return found


@pytest.fixture
def deployment(settings: Settings, prepared: object) -> Iterator[Audited]:
    with tempfile.TemporaryDirectory(prefix="vibecell-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        state = Path(name) / "state"
        state.mkdir()
        (state / "images").symlink_to(settings.state_dir / "images")
        yield Audited(state)


def ran(service: LiveService, key: str, **body: Any) -> requests.Response:
    fields = {"X-Request-Id": f"request-of-{body.get('user')}"}
    if key:
        fields["Authorization"] = f"Bearer {key}"
    return requests.post(f"{service.url}/execute", json=body, headers=fields, timeout=60)


def listed(service: LiveService, key: str) -> int:
    fields = {"Authorization": f"Bearer {key}"}
    return requests.get(f"{service.url}/v1/executions", headers=fields, timeout=30).status_code


def posted(service: LiveService, key: str, path: str, **body: Any) -> Any:
    fields = {"Authorization": f"Bearer {key}"}
    answer = requests.post(f"{service.url}{path}", json=body, headers=fields, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_who_did_what_is_told_while_the_service_runs_and_afterwards(deployment: Audited) -> None:
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    with deployment.serving() as service:
        shop = deployment.keys("create", "shop")
        school = deployment.keys("create", "school", "--scopes", "execute,read")
        body = {"code": CODE, "stdin": IN_STDIN, "env": {"WORD": IN_ENV}, "user": "ann"}
        for made in (shop, school):
            assert until(lambda key=made["key"]: listed(service, key) == 200, WRITTEN_S)
        answer = ran(service, shop["key"], **body)
        assert all(word in answer.text for word in (IN_OUTPUT, IN_STDIN, IN_ENV))
        late = ran(service, school["key"], code="print(1 / 0)")
        token = posted(service, shop["key"], "/v1/tokens", user="ann", scopes=["execute"])["token"]
        ticket = posted(service, shop["key"], "/v1/tickets")["ticket"]
        deployment.keys("revoke", school["id"])
        assert until(lambda: listed(service, school["key"]) == 401, WRITTEN_S)
        secrets = [shop["key"], school["key"], token, ticket]
        secrets += [x["key"].rpartition("_")[2] for x in (shop, school)]

        (ann,) = deployment.has("--key", shop["id"], "--act", "execution")
        assert ann["user"] == "ann" and ann["address"] == "127.0.0.1"
        assert ann["credential"] == "key" and ann["request_id"] == "request-of-ann"
        done = ann["execution"]
        assert (done["id"], done["verdict"]) == (answer.json()["id"], "accepted")
        assert done["size_bytes"] == len(CODE.encode()) and done["language"] == "python"
        assert done["usage"]["wall_time_ms"] > 0
        assert began <= done["begun_at"] <= ann["at"]
        (failed,) = deployment.has("--verdict", "runtime_error")
        assert (failed["key"], failed["execution"]["id"]) == (school["id"], late.json()["id"])
        (issued,) = deployment.has("--act", "token_issued")
        assert (issued["key"], issued["user"]) == (shop["id"], "ann")
        (refused,) = deployment.has("--act", "credential_refused")
        assert (refused["key"], refused["reason"]) == (school["id"], "revoked")
        running = deployment.audit()
        planted_nowhere(deployment, secrets)
    stopped = deployment.audit()
    # those that were refused after the first one are told of at the end
    more = [x for x in stopped if x not in running]
    assert {x["act"] for x in more} <= {"credential_refused"}
    acts = [(x["act"], x["key"]) for x in stopped if x not in more]
    # an execution is audited when its cell is gone, which may be after its answer
    assert sorted(acts) == sorted([
        ("key_created", shop["id"]), ("key_created", school["id"]), ("execution", shop["id"]),
        ("execution", school["id"]), ("token_issued", shop["id"]), ("key_revoked", school["id"]),
        ("credential_refused", school["id"]),
    ])  # fmt: skip
    assert {x["uid"] for x in stopped if x["act"].startswith("key_")} == {os.getuid()}
    assert [x["at"] for x in stopped] == sorted(x["at"] for x in stopped)
    assert deployment.audit("--until", began) == []
    assert deployment.audit("--since", "1h") == stopped
    assert deployment.audit("--limit", "2") == stopped[-2:]
    shown = deployment.command("audit")
    assert len(shown.stdout.splitlines()) == len(stopped) + 1
    assert max(map(len, shown.stdout.splitlines())) <= 80
    planted_nowhere(deployment, secrets)


def planted_nowhere(deployment: Audited, secrets: list[str]) -> None:
    """In no byte of the files, nor in what is left of the log beside them."""
    raw = b""
    for store in deployment.stores:
        assert (store / FILE_NAME).stat().st_size > 0
        raw += b"".join(path.read_bytes() for path in store.iterdir())
    assert b"runtime_error" in raw and b"credential_refused" in raw
    for word in (IN_CODE, IN_OUTPUT, IN_FILE, IN_STDIN, IN_ENV, "1 / 0", *secrets):
        assert word.encode() not in raw, word


def test_each_file_is_of_who_writes_it(deployment: Audited) -> None:
    gateway = Settings().gateway_uid if os.geteuid() == 0 else os.geteuid()
    with deployment.serving() as service:
        assert ran(service, "", code="print(1)").ok
        deployment.keys("create", "shop")
        deployment.has("--act", "execution")
        for store, uid in zip(deployment.stores, (os.geteuid(), gateway), strict=True):
            found = [store, *store.iterdir()]
            assert {path.stat().st_uid for path in found} == {uid}
            modes = [stat.S_IMODE(path.stat().st_mode) for path in found]
            assert modes == [0o700, *[0o600] * (len(found) - 1)]


def test_root_follows_no_link_that_the_gateway_has_put(deployment: Audited) -> None:
    with deployment.serving():
        deployment.keys("create", "shop")
    treasure = deployment.state / "treasure"
    treasure.mkdir(mode=0o700)
    deployment.stores[0].rename(treasure / "audit")
    file = deployment.stores[1] / FILE_NAME
    file.unlink()
    file.symlink_to(treasure / "audit" / FILE_NAME)
    done = deployment.command("audit", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the audit" in done.stderr


DAMAGES: dict[str, Callable[[Path], object]] = {
    "damaged": lambda path: path.write_bytes(b"these are notes, and no database\n" * 200),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another's": lambda path: path.parent.chmod(0o755),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("whose", [0, 1], ids=["engine", "gateway"])
def test_a_file_that_cannot_be_used_stops_nothing_unless_it_has_to(
    deployment: Audited, damage: Callable[[Path], object], whose: int
) -> None:
    with deployment.serving() as service:
        shop = deployment.keys("create", "shop")
        assert until(lambda: ran(service, shop["key"], code="print(1)").ok, WRITTEN_S)
        deployment.has("--act", "execution")
    damage(deployment.stores[whose] / FILE_NAME)
    assert "the audit" in deployment.refused_start(audit_required="true")
    with deployment.serving() as service:
        assert until(lambda: ran(service, shop["key"], code="print(1)").ok, WRITTEN_S)
        assert posted(service, shop["key"], "/v1/tokens", user="ann")
        other = deployment.command("keys", "create", "other", "--json")
        assert other.returncode == 0 and ("not audited" in other.stderr) == (whose == 1)
        shown = deployment.command("audit", "--json")
        assert shown.returncode == 1 and "the audit" in shown.stderr
        there = {json.loads(line)["act"] for line in shown.stdout.splitlines()}
        assert there >= ({"key_created"} if whose == 0 else {"execution"})
    refused = deployment.command("keys", "create", "third", audit_required="true")
    assert (refused.returncode, refused.stdout == "") == ((2, True) if whose else (0, False))


def test_what_must_be_audited_is_refused_while_it_cannot_be_and_done_afterwards(
    deployment: Audited,
) -> None:
    with deployment.serving(audit_required="true") as service:
        assert ran(service, "", code="print(1)").ok
        file = deployment.stores[0] / FILE_NAME
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert until(lambda: not ran(service, "", code="print(1)").ok, 60.0)
            refused = ran(service, "", code="print(1)")
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:vibecell:problem:store-unavailable"
            other.execute("ROLLBACK")
        assert until(lambda: ran(service, "", code="print(1)").ok, 60.0)
    counted = [x["act"] for x in deployment.audit()]
    assert "records_lost" not in counted and len(counted) > 2


def test_what_is_pruned_is_gone_and_that_it_was_is_told(deployment: Audited) -> None:
    with deployment.serving() as service:
        shop = deployment.keys("create", "shop")
        assert until(lambda: ran(service, shop["key"], code="print(1)").ok, WRITTEN_S)
        deployment.has("--act", "execution")
        done = deployment.command("audit", "prune", "--before", "0s")
        assert (done.returncode, done.stderr) == (0, "2 acts removed.\n")
        assert ran(service, shop["key"], code="print(2)").ok
        deployment.has("--act", "execution")
    left = deployment.audit()
    assert [(x["act"], x.get("count")) for x in left] == [
        ("pruned", 1), ("pruned", 1), ("execution", None),
    ]  # fmt: skip
    assert {x.get("uid") for x in left[:2]} == {os.getuid()}


def test_off_nothing_is_written(deployment: Audited) -> None:
    with deployment.serving(audit="off") as service:
        deployment.keys("create", "shop", audit="off")
        assert until(lambda: ran(service, "", code="print(1)").status_code == 401, WRITTEN_S)
    assert not any(store.exists() for store in deployment.stores)
    assert deployment.audit() == []
