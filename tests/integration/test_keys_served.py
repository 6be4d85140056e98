"""Keys of a running service: honoured within a second, and never an open door."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import host
from vibecell.config import Settings

from .crashes_service import SOURCES, LiveService, serving, until

WITHIN_S = 1.0
BUSY_S = 10.0  # beyond a promise, on a machine that has more to do
STALE_S = 12.0  # five seconds, on a machine that has more to do
BODY = {"code": "print(1)"}
OTHER = "vc_aaaaaaaaaaaa_" + "A" * 43


class Deployment:
    """A state directory of its own, and the command over it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.keys_file = state / "gateway" / "keys.sqlite3"
        self.settings = {"backend": "fake", "state_dir": str(state)}

    def command(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        given = {f"VIBECELL_{k.upper()}": v for k, v in {**self.settings, **settings}.items()}
        return subprocess.run(
            [sys.executable, "-m", "vibecell.cli.main", *words],
            env={**os.environ, "PYTHONPATH": str(SOURCES), **given},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def keys(self, *words: str, **settings: str) -> Any:
        done = self.command("keys", *words, "--json", **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused_start(self, **settings: str) -> str:
        """What a service says that does not start."""
        with tempfile.TemporaryDirectory(prefix="vibecell-test-") as run_dir:
            done = self.command("serve", "--port", "0", run_dir=f"{run_dir}/run", **settings)
        assert done.returncode == 2 and "ready" not in done.stdout
        return done.stderr

    def serving(self, **settings: str) -> contextlib.AbstractContextManager[LiveService]:
        return serving(1_977_000_000, **{**self.settings, **settings})


@pytest.fixture
def deployment(settings: Settings, prepared: object) -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="vibecell-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        state = Path(name) / "state"
        state.mkdir()
        (state / "images").symlink_to(settings.state_dir / "images")
        yield Deployment(state)


def status(service: LiveService, key: str | None = None, **headers: str) -> int:
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return requests.post(
        f"{service.url}/execute", json=BODY, headers=headers, timeout=30
    ).status_code


def soon(service: LiveService, key: str | None, wanted: int) -> bool:
    """Whether an answer is as wanted within a second of now, or what a busy machine takes."""
    return until(lambda: status(service, key) == wanted, WITHIN_S + BUSY_S)


def test_every_change_is_honoured_within_a_second(deployment: Deployment) -> None:
    with deployment.serving() as service:
        assert status(service) == 200, "as long as there is no key"
        made = deployment.keys("create", "shop", "--scopes", "execute,read")
        key = made["key"]
        assert soon(service, key, 200) and soon(service, None, 401)
        assert status(service, OTHER) == 401
        other = deployment.keys("rotate", made["id"], "--grace", "4s")
        assert other["id"] == made["id"] and other["key"] != key
        assert soon(service, other["key"], 200) and status(service, key) == 200
        assert until(lambda: status(service, key) == 401, 5.0), "its grace is over"
        deployment.keys("rotate-secret")
        late = deployment.keys("create", "late", "--expires", "3s")["key"]
        assert soon(service, late, 200) and status(service, other["key"]) == 200
        assert until(lambda: status(service, late) == 401, 4.0), "it has expired"
        assert deployment.keys("revoke", made["id"])["state"] == "revoked"
        assert soon(service, other["key"], 401)
        assert status(service) == 401, "a revoked key closes the door as well"
    used = {key["name"]: key["last_used_at"] for key in deployment.keys("list")}
    assert all(used.values())


def test_only_the_gateways_user_has_the_keys(deployment: Deployment) -> None:
    uid = Settings().gateway_uid if os.geteuid() == 0 else os.geteuid()
    with deployment.serving() as service:
        key = deployment.keys("create", "shop")["key"]
        assert soon(service, key, 200)
        directory = deployment.keys_file.parent
        found = {path.name: path.stat() for path in (directory, *directory.iterdir())}
        assert {name: stat.S_IMODE(x.st_mode) for name, x in found.items()} == {
            "gateway": 0o700,
            "audit": 0o700,
            **dict.fromkeys(
                ("keys.sqlite3", "keys.sqlite3-shm", "keys.sqlite3-wal", "secret"), 0o600
            ),
        }
        assert {x.st_uid for x in found.values()} == {x.st_gid for x in found.values()} == {uid}
        for role in ("gateway", "engine"):
            pid = service.role(role)
            files = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
            has_them = any("keys.sqlite3" in name for name in files)
            assert has_them == (role == "gateway")
            if os.geteuid() == 0:
                assert Path(f"/proc/{pid}").stat().st_uid == (uid if role == "gateway" else 0)


def test_a_link_that_the_gateways_user_put_there_leads_root_nowhere(deployment: Deployment) -> None:
    if os.geteuid() != 0:
        host.lacking("root")
    deployment.keys("create", "shop")
    directory = deployment.keys_file.parent
    victim = deployment.state / "roots-own"
    victim.touch(mode=0o600)
    for path in filter(Path.is_file, directory.iterdir()):
        path.unlink()
    for name in ("keys.sqlite3", "secret"):
        (directory / name).symlink_to(victim)
        assert deployment.command("keys", "create", "shop").returncode == 2
        (directory / name).unlink()
    assert victim.stat().st_size == 0 and victim.stat().st_uid == 0


def corrupt(deployment: Deployment) -> None:
    with deployment.keys_file.open("r+b") as file:
        file.write(os.urandom(4096))


def remove(deployment: Deployment) -> None:
    deployment.keys_file.unlink()


def remove_secret(deployment: Deployment) -> None:
    (deployment.keys_file.parent / "secret").unlink()


def others_may_enter(deployment: Deployment) -> None:
    deployment.keys_file.parent.chmod(0o755)


def others_own_it(deployment: Deployment) -> None:
    os.chown(deployment.keys_file.parent, 65534, 65534)


def make_read_only(deployment: Deployment) -> None:
    deployment.keys_file.chmod(0o400)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (corrupt, "keys.sqlite3"),
        (remove, "is missing"),
        (remove_secret, "is missing"),
        (others_may_enter, "others may enter"),
        (others_own_it, "belongs to user 65534"),
        (make_read_only, "readonly"),
    ],
)
def test_keys_that_cannot_be_used_are_a_refusal_to_start(
    deployment: Deployment, damage: Callable[[Deployment], None], told: str
) -> None:
    if damage is others_own_it and os.geteuid() != 0:
        host.lacking("root")
    deployment.keys("create", "shop")
    damage(deployment)
    said = deployment.refused_start()
    assert told in said, said


def test_a_store_that_somebody_holds_is_a_refusal_to_start(deployment: Deployment) -> None:
    deployment.keys("create", "shop")
    with held(deployment):
        assert "locked" in deployment.refused_start()
        done = deployment.command("keys", "list")
        assert (done.returncode, done.stdout) == (2, "") and "locked" in done.stderr
    assert len(deployment.keys("list")) == 1


@contextlib.contextmanager
def held(deployment: Deployment) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(deployment.keys_file, timeout=10)) as holder:
        holder.isolation_level = None
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def damaged(deployment: Deployment, damage: Callable[[Deployment], None]) -> Iterator[None]:
    """As long as this lasts; then all is as it was before."""
    directory = deployment.keys_file.parent
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name) / "kept"
        shutil.copytree(directory, kept)
        there = directory.stat()
        damage(deployment)
        yield
        for path in filter(Path.is_file, kept.iterdir()):
            shutil.copy(path, directory / path.name)
            os.chown(directory / path.name, there.st_uid, there.st_gid)


@pytest.mark.parametrize("damage", [corrupt, remove])
@pytest.mark.parametrize("has_key", [True, False], ids=["with a key", "without any key"])
def test_keys_that_go_bad_close_a_running_service_until_they_are_back(
    deployment: Deployment, damage: Callable[[Deployment], None], has_key: bool
) -> None:
    key = deployment.keys("create", "shop")["key"] if has_key else None
    with deployment.serving() as service:
        assert status(service, key) == 200
        with damaged(deployment, damage):
            assert until(lambda: status(service, key) == 503, STALE_S)
            answer = requests.post(f"{service.url}/execute", json=BODY, timeout=10)
            assert (answer.status_code in (401, 503) and answer.status_code == 503) or has_key
            os.kill(service.role("gateway"), signal.SIGKILL)
            assert until(lambda: _answers(service, key) == 503, STALE_S), "nor after it died"
        assert until(lambda: status(service, key) == 200, STALE_S)


def _answers(service: LiveService, key: str | None) -> int:
    with contextlib.suppress(requests.RequestException):
        return status(service, key)
    return 0


def test_a_full_disk_loses_no_key_and_makes_none(deployment: Deployment) -> None:
    if os.geteuid() != 0:
        host.lacking("root, to mount a small file system")
    small = deployment.state / "small"
    small.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(small)], check=True
    )
    try:
        (small / "images").symlink_to(deployment.state / "images")
        full = Deployment(small)
        key = full.keys("create", "shop")["key"]
        with full.serving() as service:
            assert status(service, key) == 200
            with contextlib.suppress(OSError), (small / "filling").open("wb") as file:
                while True:
                    file.write(b"x" * 512)
                    file.flush()
            made, failed = [], None
            for number in range(200):  # the log may have some room still
                done = full.command("keys", "create", f"more-{number}", "--json")
                if done.returncode != 0:
                    failed = done
                    break
                made.append(json.loads(done.stdout)["key"])
            assert failed is not None and failed.returncode == 2 and failed.stdout == ""
            assert "full" in failed.stderr
            time.sleep(WITHIN_S)
            assert [status(service, known) for known in (key, *made[-3:])] == [200] * len(
                (key, *made[-3:])
            )
            assert status(service) == 401
            (small / "filling").unlink()
            late = full.keys("create", "late")["key"]
            assert soon(service, late, 200)
        assert len(full.keys("list")) == len(made) + 2
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_open_address_is_served_once_there_is_a_key(deployment: Deployment) -> None:
    said = deployment.refused_start(host="0.0.0.0")
    assert "host: an address that others can reach needs a key" in said
    with deployment.serving(host="0.0.0.0", anonymous="never") as service:
        assert status(service) == 401
    key = deployment.keys("create", "shop", host="0.0.0.0")["key"]
    with deployment.serving(host="0.0.0.0") as service:
        assert (status(service, key), status(service)) == (200, 401)
        assert status(service, key, Host="shop.example") == 200


def test_anonymous_use_beside_keys_is_for_names_of_this_machine(deployment: Deployment) -> None:
    key = deployment.keys("create", "shop")["key"]
    with deployment.serving(anonymous="loopback") as service:
        assert (status(service), status(service, key), status(service, OTHER)) == (200, 200, 401)
        assert status(service, Host="rebound.example") == 421
        assert status(service, key, Host="shop.example") == 200


def test_several_services_share_keys_by_a_secret_that_is_given(
    deployment: Deployment, tmp_path: Path
) -> None:
    given = tmp_path / "secret"
    given.write_text("g" * 40 + "\n")
    given.chmod(0o600)
    key = deployment.keys("create", "shop", server_secret_file=str(given))["key"]
    assert not (deployment.keys_file.parent / "secret").exists()
    assert "none of 1 was hashed" in deployment.refused_start(server_secrets="h" * 40)
    with deployment.serving(server_secrets=f"{'h' * 40},{'g' * 40}") as service:
        assert status(service, key) == 200
        assert b"h" * 40 not in Path(f"/proc/{service.role('gateway')}/environ").read_bytes()
    with deployment.serving(server_secrets="h" * 40) as service:
        assert status(service, key) == 200, "it was hashed anew when it was used"


def test_who_guesses_is_turned_away_and_a_right_key_passes(deployment: Deployment) -> None:
    key = deployment.keys("create", "shop")["key"]
    with deployment.serving() as service:
        answers = {status(service, OTHER) for _ in range(30)}
        assert answers == {401, 429} and status(service, key) == 200
