"""Which containers of the Docker daemon are ours, and that none is left.

Owns everything that one engine of ours has once, however many places of it are
containers: the connection to the daemon, the directory of control sockets and its
token, the names of the containers that are alive, and the sweep for those that
nobody owns (``strays.py``). Opens with the first place and closes with the last.
Refuses to know what a container is for.

The token outlives us: a daemon that was slow may yet make a container that we
asked for, and whoever comes next must know it.
"""

import asyncio
import itertools
import logging
import os
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibecell.model.errors import SandboxFailure
from vibecell.model.stopping import CONTAINERS_STOP_S
from vibecell.sandbox.docker import strays
from vibecell.sandbox.docker.client import DockerEngine
from vibecell.sandbox.docker.container_wall import NAME_PREFIX

FOLDER = "containers"
SWEEP_INTERVAL_S = 30.0
_ENDED_KEPT = 256
NOGROUP = 65534
_LOWEST_OWN_USER, _OWN_USERS = 10_000, 50_000  # a daemon maps 65,536 of them

log = logging.getLogger(__name__)


class Roster:
    """The containers of one engine.

    Args:
        docker_host: the daemon's address, ``unix:///…``.
        run_dir: of the engine, which alone uses it.
        threads: calls to the daemon under way at once.

    Attributes:
        engine: the connection.
        folder: where control sockets are made.
        owner: value of the label by which our containers are known.
    """

    def __init__(self, docker_host: str, run_dir: Path, threads: int) -> None:
        self.engine = DockerEngine(docker_host, threads)
        self.folder = run_dir / FOLDER
        self.owner = ""
        self._info: dict[str, Any] = {}
        self._places: set[object] = set()
        self._known: set[str] = set()
        # asked to be removed; the daemon may be at it still
        self._ended: deque[str] = deque(maxlen=_ENDED_KEPT)
        self._users = itertools.count()
        self._opening = asyncio.Lock()
        self._sweeping: asyncio.Task[None] | None = None

    def join(self, place: object) -> None:
        """Have containers here, until ``leave``."""
        self._places.add(place)

    async def info(self) -> Mapping[str, Any]:
        """What ``docker info`` tells, asked once.

        Raises:
            SandboxFailure: the daemon does not tell, or we have no directory.
        """
        if not self._info:
            info = await self.engine.info()
            self.owner = strays.owner_token(self.folder)
            self._info = info
        return self._info

    async def open(self) -> None:
        """Remove what a former life left, once, and look for more from then on.

        Raises:
            SandboxFailure: the daemon does not tell what there is.
        """
        async with self._opening:
            if self._sweeping is None:
                self._tell(await strays.reap(self.engine, self.owner, self._known, 0.0))
                self._clear_folder()
                self._sweeping = asyncio.create_task(self._sweep_for_ever())

    def _clear_folder(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir() and NAME_PREFIX + entry.name not in self._known:
                shutil.rmtree(entry, ignore_errors=True)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            await self._sweep(strays.YOUNG_S)

    async def _sweep(self, young_s: float) -> None:
        try:
            self._tell(await strays.reap(self.engine, self.owner, self._known, young_s))
        except SandboxFailure as error:
            log.warning("strays are looked for later: %s", error)
        except Exception:  # whatever the daemon says, the next sweep comes
            log.exception("strays are looked for later")

    def _tell(self, reaped: frozenset[str]) -> None:
        """Complain about those that we had not asked the daemon to remove ourselves."""
        if strangers := reaped.difference(self._ended):
            log.warning("stray containers were removed: %s", ", ".join(sorted(strangers)))

    def born(self, name: str) -> None:
        """A container of this name may exist from now on."""
        self._known.add(name)

    def gone(self, name: str) -> None:
        """It is nobody's any more, and removed wherever it is found."""
        self._known.discard(name)
        self._ended.append(name)

    def own_ids(self) -> tuple[int, int]:
        """User and group of a container whose zygote maps itself: no user of the host but us.

        Where the daemon remaps uids, as root: others for each container, in its terms.
        """
        if uid := os.geteuid():
            return uid, NOGROUP  # not our own: that might be who may use the daemon
        own = _LOWEST_OWN_USER + next(self._users) % _OWN_USERS
        return own, own

    async def leave(self, place: object) -> None:
        """Have none any more; with the last, the daemon removes everything of ours.

        Idempotent.
        """
        self._places.discard(place)
        if self._places:
            return
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None
            try:
                async with asyncio.timeout(CONTAINERS_STOP_S):
                    await self._sweep(0.0)
            except TimeoutError:
                log.warning("the Docker engine is slow: containers may be left for a moment")
        await asyncio.to_thread(self.engine.close)
