"""A backend one of whose places has zygotes that were taken over.

Owns how ``taken_zygote.py`` comes to stand in a zygote's place: everything is made by
the code that makes it for all others, walls, maps, cgroups and limits, but the program
behind them. The default place is like any, so that there are others to reach for.
"""

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping, Set
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

import pytest

from conformance.cells import Cells
from vibecell.cli.composition.deployment import prepare
from vibecell.config import Settings
from vibecell.model.language import WarmProfile
from vibecell.sandbox.bubblewrap import bwrap
from vibecell.sandbox.bubblewrap.bubblewrap_walls import BubblewrapWalls
from vibecell.sandbox.docker import docker_walls
from vibecell.sandbox.docker.container import ContainerSpec
from vibecell.sandbox.host.shares import Host, Share
from vibecell.sandbox.outer_walls import Walls

# no site: in a zygote's environment that would become a zygote
COMMAND = ("-S", "-c", Path(__file__).with_name("taken_zygote.py").read_text())
MARK = b"A zygote that has been taken over"  # in the arguments of each of its processes
PLACE = "taken"
_is_taken: ContextVar[bool] = ContextVar("is_taken", default=False)


def taken_profile(name: str = "taken", **scripts: str) -> WarmProfile:
    """A profile whose zygotes were taken over.

    Args:
        name: of the profile.
        scripts: as ``taken_zygote.py`` has them, "_" for a blank.
    """
    told = {key.replace("_", " "): source for key, source in scripts.items()}
    return WarmProfile(name=name, warm_env={"name": name, **told}, place=PLACE)


def taken_processes(profile: str = "taken") -> list[int]:
    """Processes of the zygotes of a profile that were taken over, as the host has them."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and (entry / "comm").read_text() == f"{profile}\n"
                and MARK in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


class TakenCells(Cells):
    """Cells whose place ``PLACE`` has zygotes that were taken over; see ``Cells``.

    None waits in a pool: each is made when it is asked for.

    Args:
        taken: the profiles of those zygotes.
        first: profiles of that place whose zygotes are like any.
    """

    def __init__(
        self,
        kind: str,
        taken: tuple[WarmProfile, ...] = (taken_profile(),),
        docker_host: str = "",
        first: tuple[WarmProfile, ...] = (),
        **settings: Any,
    ) -> None:
        self._patch = pytest.MonkeyPatch()
        self._taken = {profile.name for profile in taken}
        more = (*first, *taken)
        super().__init__(kind, ("python-light",), (0, 0), docker_host, more, **settings)

    def _walls(
        self, settings: Settings, host: Host, places: tuple[str, ...]
    ) -> Mapping[str, Walls]:
        walls = {**super()._walls(settings, host, places)}
        if settings.backend != "docker":
            image, _ = prepare(settings)
            walls[PLACE] = TakenBubblewrapWalls(image.root, settings.program_path)
            walls[PLACE].taken = self._taken
        walls[PLACE].patience = 1  # who waits for one of its cells is told at once
        return walls

    def __enter__(self) -> Self:
        execute, describe = asyncio.create_subprocess_exec, docker_walls.describe
        taken = self._taken

        def of_bubblewrap(*words: str, **options: Any) -> Coroutine[Any, Any, Process]:
            if _is_taken.get() and words[-1] == "main.py":
                words = (*words[:-1], *COMMAND)
            return execute(*words, **options)

        def of_docker(spec: ContainerSpec) -> dict[str, Any]:
            body = describe(spec)
            return {**body, "Cmd": list(COMMAND)} if spec.profile in taken else body

        self._patch.setattr(asyncio, "create_subprocess_exec", of_bubblewrap)
        self._patch.setattr(docker_walls, "describe", of_docker)
        try:
            super().__enter__()
        except BaseException:
            self._patch.undo()
            raise
        for backend in self.backend._backends.values():  # type: ignore[attr-defined]
            for opening in backend._opening:  # shared walls, that nobody has asked for yet
                opening.cancel()
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            super().__exit__(*raised)
        finally:
            self._patch.undo()


class TakenBubblewrapWalls(BubblewrapWalls):
    """Walls of bubblewrap some of which are around zygotes that were taken over.

    Attributes:
        taken: the profiles of those.
    """

    taken: Set[str] = frozenset()

    async def build(self, profile: WarmProfile, share: Share) -> bwrap.BubblewrapWall:
        """See ``outer_walls.Walls``."""
        _is_taken.set(profile.name in self.taken)
        try:
            return await super().build(profile, share)
        finally:
            _is_taken.set(False)
