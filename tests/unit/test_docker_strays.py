"""Which containers are removed, over an engine that ignores every filter."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.docker_daemon import Daemon, serving, sockets_forgotten
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import DockerEngine, Unreachable
from vibecell.sandbox.docker.container import OWNER_LABEL
from vibecell.sandbox.docker.strays import TOKEN_FILE, owner_token, reap

OWNER = "a" * 32
OLD_S, YOUNG_S = 60, 5.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with serving(Daemon(tmp_path / "docker.sock")) as daemon:
        yield daemon


def entry(name: str, owner: str | None = OWNER, age_s: float = OLD_S) -> dict[str, Any]:
    labels = {} if owner is None else {OWNER_LABEL: owner}
    created = int(time.time() - age_s)
    return {"Id": f"id-{name}", "Names": [f"/{name}"], "Labels": labels, "Created": created}


def reaped(daemon: Daemon, known: tuple[str, ...] = (), young_s: float = YOUNG_S) -> set[str]:
    with contextlib.closing(DockerEngine(daemon.host, threads=2)) as engine:
        return set(asyncio.run(reap(engine, OWNER, frozenset(known), young_s)))


def left(daemon: Daemon) -> set[str]:
    return {container["Id"].removeprefix("id-") for container in daemon.containers}


def test_what_a_former_engine_left_is_removed(daemon: Daemon) -> None:
    daemon.containers = [entry("vibecell-1"), entry("vibecell-2")]
    assert reaped(daemon) == {"vibecell-1", "vibecell-2"}
    assert left(daemon) == set()
    assert all(query["force"] == "True" for method, _, query in daemon.asked if method == "DELETE")


def test_whose_it_is_not_is_never_touched(daemon: Daemon) -> None:
    others = [
        entry("database", owner=None),
        entry("vibecell-looks-like-ours", owner=None),
        entry("vibecell-of-another-run-directory", owner="b" * 32),
        entry("vibecell-begins-alike", owner=OWNER + "a"),
        entry("vibecell-without-an-owner", owner=""),
        entry("labelled-by-somebody", owner=OWNER),
        entry("not-vibecell-1", owner=OWNER),
        {**entry("vibecell-nameless"), "Names": None},
        {**entry("vibecell-unlabelled"), "Labels": None},
    ]
    daemon.containers = [*others, entry("vibecell-1")]
    assert reaped(daemon) == {"vibecell-1"}
    assert daemon.containers == others
    assert daemon.paths("DELETE") == ["/containers/id-vibecell-1"]


def test_the_engine_is_asked_for_ours_only_the_stopped_ones_too(daemon: Daemon) -> None:
    reaped(daemon)
    ((_, _, query),) = [x for x in daemon.asked if x[1] == "/containers/json"]
    assert query["all"] == "1"
    assert query["filters"] == f'{{"label": ["{OWNER_LABEL}={OWNER}"]}}'


def test_those_in_use_and_those_just_made_stay(daemon: Daemon) -> None:
    daemon.containers = [
        entry("vibecell-known"),
        entry("vibecell-young", age_s=0),
        entry("vibecell-of-a-clock-ahead", age_s=-OLD_S),
        entry("vibecell-stray"),
    ]
    assert reaped(daemon, known=("vibecell-known",)) == {"vibecell-stray"}
    assert left(daemon) == {"vibecell-known", "vibecell-young", "vibecell-of-a-clock-ahead"}


def test_at_the_start_of_an_engine_none_is_too_young(daemon: Daemon) -> None:
    daemon.containers = [entry("vibecell-1", age_s=0)]
    assert reaped(daemon, young_s=0.0) == {"vibecell-1"}


@pytest.mark.parametrize("status", [404, 409])
def test_one_that_is_going_by_itself_is_no_failure(daemon: Daemon, status: int) -> None:
    daemon.containers = [entry("vibecell-1"), entry("vibecell-2")]
    daemon.faults["DELETE", "vibecell-1"] = status
    reaped(daemon)
    assert "vibecell-2" not in left(daemon)


def test_one_that_cannot_be_removed_is_told_and_keeps_no_other(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.containers = [entry("vibecell-1"), entry("vibecell-2")]
    daemon.faults["DELETE", "vibecell-1"] = 500
    assert reaped(daemon) == {"vibecell-2"}
    assert "vibecell-1: remove a stray container" in caplog.text


def test_an_engine_that_is_away_says_so(tmp_path: Path) -> None:
    with sockets_forgotten(), pytest.raises(Unreachable):
        reaped(Daemon(tmp_path / "none.sock"))


def test_a_run_directory_has_one_token_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "containers"
    token = owner_token(folder)
    assert len(token) == 32
    assert owner_token(folder) == token
    assert owner_token(tmp_path / "other") != token
    assert [path.name for path in folder.iterdir()] == [TOKEN_FILE]
    assert (folder / TOKEN_FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o711, "a container's user must get through it"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"a" * 31, b"a" * 33, b"a" * 64, b"\xff" * 32, b"\0" * 32, b"a=b,c=d" + b"!" * 25],
)
def test_an_odd_token_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TOKEN_FILE).write_bytes(content)
    with pytest.raises(SandboxFailure, match="is not a token"):
        owner_token(tmp_path)
    assert (tmp_path / TOKEN_FILE).read_bytes() == content


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxFailure, match="make a directory for control sockets"):
        owner_token(tmp_path / "file" / "containers")
    (tmp_path / TOKEN_FILE).mkdir()
    with pytest.raises(SandboxFailure, match="make a directory for control sockets"):
        owner_token(tmp_path)
