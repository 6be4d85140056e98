"""What is found out of a Docker engine, and what is left of a former life with it."""

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from unit.docker_daemon import Daemon, serving
from vibecell.config import Settings
from vibecell.model.capabilities import Wall
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.model.limits import MIB
from vibecell.sandbox.docker import container_wall
from vibecell.sandbox.docker.docker_walls import DockerWalls
from vibecell.sandbox.docker.image import RuntimeImage
from vibecell.sandbox.docker.roster import Roster
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.host.wall_bounds import WallBounds

INFO = {
    "ServerVersion": "29.1",
    "DefaultRuntime": "runc",
    "Runtimes": {"runc": {}, "runsc": {}},
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
}
BOUNDS = WallBounds(
    memory_bytes=600 * MIB, processes=12, with_programs=76, user_processes=76, cpus=1.5
)
IMAGES = {
    "": RuntimeImage("sha256:any", "vibecell/runtime:1", MappingProxyType({}), ("A=b", "C=d=e")),
    "node": RuntimeImage("sha256:node", "vibecell/node:1", MappingProxyType({}), ()),
}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with serving(Daemon(tmp_path / "docker.sock")) as daemon:
        daemon.info = dict(INFO)
        yield daemon


@contextlib.asynccontextmanager
async def walls_of(
    daemon: Daemon, run_dir: Path, runtime: str = "", wall: Wall = "fresh", **more: Any
) -> Any:
    settings = Settings(run_dir=run_dir, docker_host=daemon.host, backend="docker", **more)
    roster = Roster(daemon.host, run_dir, threads=4)
    walls = DockerWalls(settings, roster, wall, runtime, IMAGES)
    try:
        yield walls
    finally:
        await walls.close()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one, since a socket has its name below it. Source: unix(7), 107 bytes"""
    with tempfile.TemporaryDirectory(prefix="vibecell-test-") as name:
        yield Path(name)


def containers_asked_for(
    daemon: Daemon, run_dir: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> dict[str, Any]:
    """The body for a container of this profile, from an engine in which none comes to life."""
    monkeypatch.setattr(container_wall, "CONNECT_DEADLINE_S", 0.01)

    async def scenario() -> None:
        async with walls_of(daemon, run_dir) as walls:
            await walls.prepare()
            share = Share(None, BOUNDS, None, None, lambda _: None)
            with pytest.raises(SandboxFailure):
                await walls.build(WarmProfile(profile), share)

    asyncio.run(scenario())
    (body,) = daemon.bodies.values()
    return body


@pytest.mark.parametrize(
    ("different", "missing"),
    [
        ({}, []),
        ({"SecurityOptions": []}, ["container seccomp"]),
        ({"SecurityOptions": None}, ["container seccomp"]),
        ({"MemoryLimit": False}, ["container limits"]),
        ({"SwapLimit": False}, ["container limits"]),
        ({"PidsLimit": False}, ["container limits"]),
        ({"CpuCfsQuota": False}, ["container limits"]),
    ],
)
def test_what_an_engine_cannot_enforce_is_missing(
    daemon: Daemon, tmp_path: Path, different: dict[str, Any], missing: list[str]
) -> None:
    async def scenario() -> None:
        async with walls_of(daemon, tmp_path) as walls:
            layers = await walls.prepare()
            absent = [layer for layer in layers if layer.required and not layer.enforced]
            assert [layer.name for layer in absent] == missing
            assert all(layer.mend for layer in absent)
            await walls.prepare()

    daemon.info |= different
    asyncio.run(scenario())
    assert daemon.paths("GET").count("/info") == 1, "asked once"


def test_a_runtime_that_the_engine_does_not_have_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with walls_of(daemon, tmp_path, runtime="kata") as walls:
            with pytest.raises(SandboxFailure, match=r"kata is none of .*: runc, runsc"):
                await walls.prepare()
        async with walls_of(daemon, tmp_path, runtime="runsc") as walls:
            first, *_ = await walls.prepare()
            assert first.detail == "Docker 29.1, runtime runsc"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("option", "uid", "wall", "enforced", "told"),
    [
        ("name=seccomp", 0, "shared", True, "a host uid of their own"),
        ("name=seccomp", 1000, "fresh", False, "run the engine as root"),
        ("name=userns", 0, "fresh", True, "every container has a uid of its own"),
        ("name=userns", 0, "shared", False, "a daemon that remaps no uids"),
        ("name=rootless", 0, "shared", False, "a daemon that remaps no uids"),
    ],
)
def test_how_far_cells_differ_in_their_uids_is_told(
    daemon: Daemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    uid: int,
    wall: Wall,
    enforced: bool,
    told: str,
) -> None:
    async def scenario() -> None:
        async with walls_of(daemon, tmp_path, wall=wall) as walls:
            await walls.prepare()
            layer = walls.uid_layer()
            assert layer.enforced is enforced
            assert not layer.required
            assert told in (layer.detail if enforced else layer.mend)
            assert walls.maps_uids is (option == "name=seccomp" and uid == 0)

    monkeypatch.setattr(os, "geteuid", lambda: uid)
    daemon.info["SecurityOptions"] = [option]
    asyncio.run(scenario())


def test_where_containers_are_shared_a_daemon_need_not_bound_processors(
    daemon: Daemon, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with walls_of(daemon, tmp_path, wall="shared") as walls:
            assert all(layer.enforced for layer in await walls.prepare())

    daemon.info["CpuCfsQuota"] = False
    asyncio.run(scenario())


def test_a_profile_has_its_own_image_and_that_images_environment_is_emptied(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = containers_asked_for(daemon, tmp_path, monkeypatch, "python-light")
    assert body["Image"] == "sha256:any"
    assert {"A=", "C="} <= set(body["Env"])
    daemon.bodies.clear()
    body = containers_asked_for(daemon, tmp_path, monkeypatch, "node")
    assert body["Image"] == "sha256:node"


def test_no_container_gets_a_way_to_the_engine(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = containers_asked_for(daemon, tmp_path, monkeypatch, "python-light")
    assert "docker.sock" not in json.dumps(body)
    (mount,) = body["HostConfig"]["Mounts"]
    assert Path(mount["Source"]).parent == tmp_path / "containers"
    assert not body["User"].startswith("0:")


@pytest.mark.parametrize("has_it", [False, True])
def test_apparmor_is_spoken_of_where_the_engine_tells_of_it(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_it: bool
) -> None:
    daemon.info["SecurityOptions"] = ["name=seccomp", *["name=apparmor"] * has_it]
    body = containers_asked_for(daemon, tmp_path, monkeypatch, "python-light")
    assert ("apparmor=unconfined" in body["HostConfig"]["SecurityOpt"]) is has_it
