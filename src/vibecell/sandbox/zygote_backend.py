"""The backend of all walls that have a zygote behind them, whatever tool makes them.

Theory of operation. An outer wall is made by a tool (``outer_walls.Walls``) around a zygote
that is connected to us by a control socket. The zygote forks an agent per cell,
which makes the inner wall and confines its program (``cell/runner.py``). A
*shared* wall holds the cells of one warm profile, many over time
(``warming/profile_cells.py``); a *fresh* wall holds one cell, made ahead and thrown away
with it (``warming/fresh_cells.py``). As root every wall has a block of host uids that
belong to nobody, and every cell one of them and a cgroup of its own. As an
ordinary user both walls stand all the same, but cells share one uid, limits on
memory and processor time are enforced by sampling, and a process count by
RLIMIT_NPROC, which the kernel counts per user namespace (Linux 5.14).

Owns the pools; refuses to open while a required layer is missing.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from vibecell.config import Settings
from vibecell.model.capabilities import Capabilities, Layer, Wall
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.model.measures import Measured
from vibecell.sandbox import probe
from vibecell.sandbox.backend import TellPosition
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.framed.messages import environment, setup_message, start_message
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.identity import release_unborn
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.outer_walls import Walls
from vibecell.sandbox.warming.fresh_cells import FreshCells
from vibecell.sandbox.warming.pool_tallies import PoolTallies
from vibecell.sandbox.warming.profile_cells import ProfileCells, Zygote

log = logging.getLogger(__name__)


class ZygoteBackend:
    """See ``backend.Backend``.

    Args:
        settings: limits, when zygotes are replaced, whether cgroups are required.
        walls: what makes them.
        wall: whether cells share one.
        host: uids, cgroups and pace, shared with the other backends.
        profiles: the warm profiles to keep.
    """

    def __init__(
        self,
        settings: Settings,
        walls: Walls,
        wall: Wall,
        host: Host,
        profiles: tuple[WarmProfile, ...],
    ) -> None:
        self._settings = settings
        self._walls = walls
        self._wall = wall
        self._host = host
        self._profiles = profiles
        self._cells: dict[str, ProfileCells | FreshCells] = {}
        self._opening: list[asyncio.Task[None]] = []
        self._capabilities: Capabilities | None = None

    async def probe(self) -> Capabilities:
        """See ``backend.Backend.probe``; measured once in a backend's life."""
        if self._capabilities is None:
            self._capabilities = await self._measure()
        return self._capabilities

    async def _measure(self) -> Capabilities:
        try:
            of_the_tool = await self._walls.prepare()
            answers = await probe.ask(self._one_cell)
        except SandboxFailure as error:
            layers: tuple[Layer, ...] = (self._walls.not_standing(error),)
        else:
            layers = of_the_tool + probe.read(
                answers,
                uid_layer=self._walls.uid_layer(),
                cgroups=self._host.cgroups,
                landlock_abi=self._host.landlock_abi,
                require_cgroups=self._settings.require_cgroups,
            )
        return Capabilities(self._walls.name, self._wall, layers)

    async def reap(self) -> None:
        """See ``backend.Backend.reap``; what is missing, the probe tells."""
        try:
            await self._walls.prepare()
        except SandboxFailure:
            return
        await self._walls.open()

    async def open(self) -> None:
        """See ``backend.Backend.open``.

        Waits for the first profile only: the others warm up behind its back,
        and who asks for one of their cells waits for it.
        """
        await self.reap()  # again: what was missing when all places were reaped may be there now
        (await self.probe()).require_all()
        self._cells = {profile.name: self._profile_cells(profile) for profile in self._profiles}
        for index, cells in enumerate(self._cells.values()):
            if index == 0:
                await cells.open()
            else:
                self._opening.append(asyncio.create_task(self._open_later(cells)))

    async def _open_later(self, cells: ProfileCells | FreshCells) -> None:
        try:
            await cells.open()
        except SandboxFailure as error:
            log.error("a profile could not be warmed up, it is tried again on demand: %s", error)

    def _profile_cells(self, profile: WarmProfile) -> ProfileCells | FreshCells:
        make_zygote = partial(self._make_zygote, profile)
        tallies = PoolTallies(profile)
        if self._wall == "fresh":
            return FreshCells(make_zygote, self._host.refill, self._walls.patience, tallies)
        return ProfileCells(
            make_zygote,
            self._host.refill,
            max_forks=self._settings.zygote_max_forks,
            max_age_s=self._settings.zygote_max_age_s,
            patience=self._walls.patience,
            tallies=tallies,
        )

    async def _make_zygote(
        self, profile: WarmProfile, on_end: Callable[[ZygoteLink], None]
    ) -> Zygote:
        share = self._host.share(self._wall, self._walls.maps_uids)
        wall = await self._walls.build(profile, share)
        watch, env = self._host.cgroups is None, environment(self._settings.cell_cpus)
        link = ZygoteLink(wall.control, partial(start_message, watch=watch, env=env), on_end)

        async def close() -> None:
            link.close()
            await wall.close()

        try:
            await link.set_up(
                setup_message(
                    profile,
                    self._settings.limits,
                    self._host.landlock_abi,
                    watch=watch,
                    env=env,
                )
            )
        except BaseException:  # a cancel too: no wall stays without an owner
            await close()
            raise
        return Zygote(link, share.new_identity, close)

    async def _one_cell(self) -> tuple[FramedCell, Callable[[], object]]:
        """A single cell outside any pool, for the probe; and what ends its wall."""
        zygote = await self._make_zygote(WarmProfile(name="probe"), lambda _link: None)
        try:
            identity = zygote.new_identity()
            try:
                return await zygote.link.fork(identity), zygote.close
            except BaseException:
                await release_unborn(identity)
                raise
        except BaseException:
            await zygote.close()
            raise

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> FramedCell:
        """See ``backend.Backend.acquire``."""
        cells = self._cells.get(profile.name)
        if cells is None:
            raise SandboxFailure("take a warm cell", f"no profile named {profile.name}")
        return await cells.acquire(tell)

    def counts(self) -> dict[str, int]:
        """See ``backend.Backend.counts``."""
        return {
            f"pool.{profile}.{name}": value
            for profile, cells in self._cells.items()
            for name, value in cells.counts().items()
        }

    async def measured(self) -> tuple[Measured, ...]:
        """See ``backend.Backend.measured``: of all its profiles."""
        return tuple(each for cells in self._cells.values() for each in cells.measured())

    async def close(self) -> None:
        """See ``backend.Backend.close``."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        cells, self._cells = self._cells, {}
        await asyncio.gather(*(each.close() for each in cells.values()))
        await self._walls.close()
