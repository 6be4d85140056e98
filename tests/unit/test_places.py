"""Several backends as one, over backends that only remember."""

import asyncio
from typing import Any, cast

import pytest

from vibecell.model.capabilities import Capabilities, Layer, Wall
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import Backend, Cell, TellPosition
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.places import Places


class Remembering:
    """A backend, or the host: writes down what is asked of it."""

    def __init__(self, name: str, diary: list[str], wall: Wall = "shared") -> None:
        self.name = name
        self.diary = diary
        self.wall = wall
        self.layers = (Layer("seccomp", True, "an allow-list"), Layer("cgroup", True, "v2"))
        self.failure: SandboxFailure | None = None
        self.tell: TellPosition | None = None

    async def probe(self) -> Capabilities:
        self.diary.append(f"probe {self.name}")
        return Capabilities(self.name, self.wall, self.layers)

    async def reap(self) -> None:
        self.diary.append(f"reap {self.name}")

    async def open(self) -> None:
        self.diary.append(f"open {self.name}")
        if self.failure is not None:
            raise self.failure

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> Cell:
        self.tell = tell
        return cast(Cell, (self.name, profile.name))

    def counts(self) -> dict[str, int]:
        return {f"pool.{self.name}.ready": 1}

    async def close(self) -> None:
        self.diary.append(f"close {self.name}")


class Shared:
    def __init__(self, diary: list[str]) -> None:
        self.diary = diary

    def reap_strays(self) -> None:
        self.diary.append("reap strays")

    def close(self) -> None:
        self.diary.append("close the host")


class Deployment:
    def __init__(self) -> None:
        self.diary: list[str] = []
        self.usual = Remembering("bubblewrap", self.diary)
        self.strong = Remembering("docker", self.diary, "fresh")
        backends = {"": self.usual, "strong": self.strong}
        self.places = Places(cast(dict[str, Backend], backends), cast(Host, Shared(self.diary)))


def test_a_profile_goes_where_it_belongs() -> None:
    async def scenario() -> None:
        there = Deployment()
        told: list[int] = []
        profiles = WarmProfile("light"), WarmProfile("light", place="strong")
        usual, strong = [cast(Any, await there.places.acquire(p, told.append)) for p in profiles]
        assert usual == ("bubblewrap", "light")
        assert strong == ("docker", "light")
        assert there.usual.tell == there.strong.tell == told.append
        with pytest.raises(KeyError):
            await there.places.acquire(WarmProfile("light", place="nowhere"))

    asyncio.run(scenario())


def test_strays_of_all_places_go_before_the_first_wall_and_the_host_closes_last() -> None:
    async def scenario() -> None:
        there = Deployment()
        await there.places.open()
        await there.places.close()
        assert there.diary == [
            "reap strays",
            "reap bubblewrap",
            "reap docker",
            "probe bubblewrap",
            "probe docker",
            "open bubblewrap",
            "open docker",
            "close bubblewrap",
            "close docker",
            "close the host",
        ]

    asyncio.run(scenario())


def test_a_place_that_does_not_open_is_named() -> None:
    async def scenario() -> None:
        there = Deployment()
        there.strong.failure = SandboxFailure("reach the Docker engine", "nobody there")
        with pytest.raises(SandboxFailure, match=r"open the place strong: .*nobody there"):
            await there.places.open()
        there.usual.failure = SandboxFailure("find bubblewrap", "no bwrap")
        with pytest.raises(SandboxFailure) as caught:
            await there.places.open()
        assert caught.value is there.usual.failure, "the default one has no name"
        await there.places.close()
        assert there.diary[-3:] == ["close bubblewrap", "close docker", "close the host"]

    asyncio.run(scenario())


def test_what_is_missing_anywhere_is_missing() -> None:
    async def scenario() -> None:
        there = Deployment()
        whole = await there.places.probe()
        assert (whole.backend, whole.wall, whole.missing) == ("bubblewrap", "shared", ())
        names = [layer.name for layer in whole.layers]
        assert names == ["seccomp", "cgroup", "strong: seccomp", "strong: cgroup"]
        there.strong.layers = (Layer("seccomp", False, "none"),)
        (missing,) = (await there.places.probe()).missing
        assert missing.name == "strong: seccomp"
        each = await there.places.probe_each()
        assert {name: (x.backend, x.wall) for name, x in each.items()} == {
            "": ("bubblewrap", "shared"),
            "strong": ("docker", "fresh"),
        }

    asyncio.run(scenario())


def test_counts_say_of_which_place_they_are() -> None:
    assert Deployment().places.counts() == {
        "pool.bubblewrap.ready": 1,
        "strong.pool.docker.ready": 1,
    }
