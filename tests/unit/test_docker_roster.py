"""Whose containers are whose, over several places and a daemon that says odd things."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.docker_daemon import Daemon, serving
from vibecell.sandbox.docker import roster, strays
from vibecell.sandbox.docker.container import OWNER_LABEL
from vibecell.sandbox.docker.roster import Roster


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with serving(Daemon(tmp_path / "docker.sock")) as daemon:
        daemon.info = {"ServerVersion": "29.1"}
        yield daemon


def entry(name: str, owner: str, age_s: float = 0.0) -> dict[str, Any]:
    return {
        "Id": name,
        "Names": [f"/{name}"],
        "Labels": {OWNER_LABEL: owner},
        "Created": int(time.time() - age_s),
    }


@contextlib.asynccontextmanager
async def roster_of(daemon: Daemon, run_dir: Path, *places: object) -> AsyncIterator[Roster]:
    containers = Roster(daemon.host, run_dir, threads=2)
    for place in places:
        containers.join(place)
    await containers.info()
    try:
        yield containers
    finally:
        for place in places:
            await containers.leave(place)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within_bounds() -> None:
        async with asyncio.timeout(10.0):
            await test()

    asyncio.run(within_bounds())


def names(daemon: Daemon) -> list[str]:
    return [container["Id"] for container in daemon.containers]


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.005)


async def asked_again(daemon: Daemon, times: int) -> None:
    before = len(daemon.paths("GET"))
    await until(lambda: len(daemon.paths("GET")) >= before + times)


def test_only_what_a_former_life_left_is_cleared_away(daemon: Daemon, tmp_path: Path) -> None:
    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            token = (containers.folder / "owner").read_text()
            (containers.folder / "0123456789abcdef").mkdir()
            (containers.folder / "0123456789abcdef" / "control").touch()
            daemon.containers = [entry("vibecell-1", token), entry("vibecell-2", "b" * 32)]
            await containers.open()
            assert names(daemon) == ["vibecell-2"]
            assert [path.name for path in containers.folder.iterdir()] == ["owner"]

    run(test)


def test_a_place_that_opens_later_leaves_the_containers_of_another(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "SWEEP_INTERVAL_S", 0.01)
    monkeypatch.setattr(strays, "YOUNG_S", 0.0)

    async def test() -> None:
        async with roster_of(daemon, tmp_path, "one", "other") as containers:
            await containers.open()
            containers.born("vibecell-one")
            (containers.folder / "one").mkdir()
            daemon.containers = [entry("vibecell-one", containers.owner, 60)]
            await containers.open()
            await asked_again(daemon, 4)
            assert names(daemon) == ["vibecell-one"]
            assert (containers.folder / "one").is_dir()

    run(test)


def test_the_last_place_that_closes_closes_for_all(daemon: Daemon, tmp_path: Path) -> None:
    async def test() -> None:
        async with roster_of(daemon, tmp_path, "one", "other") as containers:
            await containers.open()
            daemon.containers = [entry("vibecell-left", containers.owner)]
            await containers.leave("one")
            await containers.leave("one")
            await containers.engine.info()
            assert names(daemon) == ["vibecell-left"], "the other place has yet to close"
        assert names(daemon) == []
        await containers.leave("other")

    run(test)


def test_strays_are_looked_for_again_and_again(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the daemon has failed, and after it has said what makes no sense."""
    monkeypatch.setattr(roster, "SWEEP_INTERVAL_S", 0.01)

    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            await containers.open()
            for said in ({}, [{"Labels": 1}], None):
                daemon.containers = said  # type: ignore[assignment]
                await asked_again(daemon, 2)
            daemon.containers = []
            daemon.faults["GET", "/containers/json"] = 500
            await asked_again(daemon, 2)
            daemon.faults.clear()
            daemon.containers = [
                entry("vibecell-stray", containers.owner, 60),
                entry("vibecell-young", containers.owner),
            ]
            await until(lambda: names(daemon) == ["vibecell-young"])

    run(test)


def test_a_container_that_was_born_while_the_daemon_thought_is_no_stray(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "SWEEP_INTERVAL_S", 0.01)
    monkeypatch.setattr(strays, "YOUNG_S", 0.0)

    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            await containers.open()
            listed = daemon.answer

            def slow(method: str, path: str, query: dict[str, str], body: Any) -> Any:
                if path == "/containers/json" and "vibecell-new" not in names(daemon):
                    containers.born("vibecell-new")
                    daemon.containers = [entry("vibecell-new", containers.owner, 60)]
                return listed(method, path, query, body)

            monkeypatch.setattr(daemon, "answer", slow)
            await until(lambda: names(daemon) == ["vibecell-new"])
            await asked_again(daemon, 4)
            assert names(daemon) == ["vibecell-new"]
            containers.gone("vibecell-new")

    run(test)


def test_what_was_begun_before_the_first_place_opened_is_not_cleared_away(
    daemon: Daemon, tmp_path: Path
) -> None:
    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            containers.born("vibecell-one")
            for name in ("one", "left"):
                (containers.folder / name).mkdir()
            daemon.containers = [
                entry(f"vibecell-{name}", containers.owner) for name in ("one", "left")
            ]
            await containers.open()
            assert names(daemon) == ["vibecell-one"]
            assert {path.name for path in containers.folder.iterdir()} == {"owner", "one"}

    run(test)


def test_a_container_that_was_given_up_is_removed_wherever_it_is_found(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon has not done what it was asked to."""
    monkeypatch.setattr(roster, "SWEEP_INTERVAL_S", 0.01)

    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            containers.born("vibecell-one")
            await containers.open()
            daemon.containers = [entry("vibecell-one", containers.owner, 60)]
            await asked_again(daemon, 2)
            assert names(daemon) == ["vibecell-one"]
            containers.gone("vibecell-one")
            await until(lambda: not names(daemon))

    run(test)


def test_a_daemon_that_does_not_answer_holds_up_nobodys_end(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "CONTAINERS_STOP_S", 0.05)

    async def test() -> None:
        containers = Roster(daemon.host, tmp_path, threads=2)
        containers.join("place")
        await containers.info()
        await containers.open()

        async def never(*_: object) -> frozenset[str]:
            await asyncio.Event().wait()
            return frozenset()

        monkeypatch.setattr(strays, "reap", never)
        await containers.leave("place")

    run(test)


def test_the_token_outlives_its_engine(daemon: Daemon, tmp_path: Path) -> None:
    """A container that a slow daemon makes after our end is found by whoever comes next."""

    async def test() -> None:
        owners = set()
        for _ in range(2):
            async with roster_of(daemon, tmp_path, "place") as containers:
                await containers.open()
                owners.add(containers.owner)
                assert names(daemon) == []
            daemon.containers = [entry("vibecell-late", containers.owner)]
        assert len(owners) == 1

    run(test)


def test_no_two_containers_that_live_at_once_have_one_user(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with roster_of(daemon, tmp_path, "one", "other") as containers:
            ids = [containers.own_ids() for _ in range(50_001)]
            assert all(user == group for user, group in ids)
            users = [user for user, _ in ids]
            assert len(set(users)) == 50_000
            assert min(users) == 10_000
            assert max(users) < 65_536 - 2, "a daemon maps no more, and the last are nobody's"

    monkeypatch.setattr("os.geteuid", lambda: 0)
    run(test)


def test_without_root_a_container_is_of_our_own_user_and_no_group(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1234)

    async def test() -> None:
        async with roster_of(daemon, tmp_path, "place") as containers:
            assert {containers.own_ids(), containers.own_ids()} == {(1234, roster.NOGROUP)}

    run(test)
