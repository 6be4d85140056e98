"""Cells behind bubblewrap.

Theory of operation. For each warm profile one bubblewrap (``outer_wall.py``)
holds one zygote: new user, pid, mount, network, IPC, UTS and cgroup namespaces,
a read-only root that is our own image and nothing of the host's, an empty
environment. The zygote forks an agent per cell, which makes all those namespaces
once more inside and confines its program (``cell/runner.py``). As root a
block of host uids that belong to nobody is mapped into each wall, and every
cell's program gets one of its own and a cgroup of its own. As an ordinary user
both walls stand all the same, but every cell shares the user's uid, limits on
memory and processor time are enforced by sampling, and a process count by
RLIMIT_NPROC, which the kernel counts per user namespace (Linux 5.14).

Owns the pools; refuses to open while a required layer is missing.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vibecell.config import Settings
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import Capabilities
from vibecell.sandbox.bubblewrap import outer_wall, probe
from vibecell.sandbox.demand import IdleBounds
from vibecell.sandbox.framed import FramedCell
from vibecell.sandbox.identity import CellIdentity
from vibecell.sandbox.mechanisms import landlock
from vibecell.sandbox.mechanisms.cgroup import CgroupManager
from vibecell.sandbox.mechanisms.cgroup_stock import CgroupStock
from vibecell.sandbox.mechanisms.idmap import UidBlock, UidRange
from vibecell.sandbox.mechanisms.pressure import MemoryWatch
from vibecell.sandbox.profile_cells import ProfileCells, Zygote
from vibecell.sandbox.programs import setup_message, start_message
from vibecell.sandbox.refill import Refill
from vibecell.sandbox.zygote_link import ZygoteLink

CGROUP_PARENT = "vibecell"

log = logging.getLogger(__name__)


class BubblewrapBackend:
    """See ``backend.Backend``.

    Args:
        settings: pool sizes, uid base, whether cgroups are required.
        image: the read-only root every cell sees.
        profiles: the warm profiles to keep.
    """

    def __init__(self, settings: Settings, image: Path, profiles: tuple[WarmProfile, ...]) -> None:
        self._settings = settings
        self._image = image
        self._profiles = profiles
        self._refill = Refill(
            IdleBounds(settings.pool_min_idle, settings.pool_max_idle),
            settings.pool_parallel,
            len(os.sched_getaffinity(0)),
            memory=MemoryWatch().look,
        )
        self._cells: dict[str, ProfileCells] = {}
        self._opening: list[asyncio.Task[None]] = []
        self._capabilities: Capabilities | None = None
        self._uids = UidRange(settings.uid_base) if os.geteuid() == 0 else None
        self._cgroups = CgroupManager(parent_name=CGROUP_PARENT)
        self._use_cgroups = settings.require_cgroups is not False and self._cgroups.usable()
        self._stock = CgroupStock(
            self._cgroups,
            settings.limits.memory_bytes,
            settings.limits.processes,
            settings.cell_cpus,
        )
        self._landlock_abi = landlock.supported_abi()
        self._program = shutil.which("bwrap", path=settings.program_path) or ""

    async def probe(self) -> Capabilities:
        """See ``backend.Backend.probe``; measured once in a backend's life."""
        if self._capabilities is None:
            self._capabilities = await probe.measure(
                self._one_cell,
                has_uid_range=self._uids is not None,
                cgroups=self._cgroups if self._use_cgroups else None,
                landlock_abi=self._landlock_abi,
                require_cgroups=self._settings.require_cgroups,
                program=self._program,
            )
        return self._capabilities

    async def open(self) -> None:
        """See ``backend.Backend.open``.

        Waits for the first profile only: the others warm up behind its back,
        and who asks for one of their cells waits for it.
        """
        if self._settings.wall == "fresh":
            raise SandboxFailure("choose the wall", "bubblewrap gives shared outer walls only")
        if self._use_cgroups:
            self._reap_strays()
        missing = (await self.probe()).missing
        if missing:
            reasons = "; ".join(f"{x.name}: {x.detail}" for x in missing)
            raise SandboxFailure("check the walls", reasons)
        self._cells = {profile.name: self._profile_cells(profile) for profile in self._profiles}
        for index, cells in enumerate(self._cells.values()):
            if index == 0:
                await cells.open()
            else:
                self._opening.append(asyncio.create_task(self._open_later(cells)))

    def _reap_strays(self) -> None:
        """Clear away what a former life left; ours have other names, so it may wait."""
        try:
            self._cgroups.reap_strays()
        except OSError as error:
            log.error("cgroups of an engine that died could not be removed: %s", error)

    async def _open_later(self, cells: ProfileCells) -> None:
        try:
            await cells.open()
        except SandboxFailure as error:
            log.error("a profile could not be warmed up, it is tried again on demand: %s", error)

    def _profile_cells(self, profile: WarmProfile) -> ProfileCells:
        return ProfileCells(
            lambda on_end: self._make_zygote(profile, on_end),
            self._refill,
            max_forks=self._settings.zygote_max_forks,
            max_age_s=self._settings.zygote_max_age_s,
        )

    async def _make_zygote(
        self, profile: WarmProfile, on_end: Callable[[ZygoteLink], None]
    ) -> Zygote:
        if not self._program:
            raise SandboxFailure("start bubblewrap", "the program bwrap is not installed")
        uids = self._uids.take_block() if self._uids is not None else None
        try:
            wall = await outer_wall.build(self._program, self._image, uids)
        except BaseException:
            self._give_back(uids)
            raise
        watch = not self._use_cgroups
        link = ZygoteLink(wall.control, partial(start_message, watch=watch), on_end)

        async def close() -> None:
            link.close()
            await wall.close()
            self._give_back(uids)

        try:
            await link.set_up(
                setup_message(
                    profile,
                    self._settings.limits.workspace_bytes,
                    self._landlock_abi,
                    watch=watch,
                )
            )
        except BaseException:  # a cancel too: no wall stays without an owner
            await close()
            raise
        return Zygote(link, lambda: self._new_identity(uids), close)

    def _give_back(self, uids: UidBlock | None) -> None:
        if uids is not None and self._uids is not None:
            self._uids.give_back_block(uids)

    def _new_identity(self, uids: UidBlock | None) -> CellIdentity:
        uid = uids.take() if uids is not None else 0

        def give_back() -> None:
            if uids is not None:
                uids.give_back(uid)

        if not self._use_cgroups:
            return CellIdentity(uid, None, None, give_back)
        try:
            cgroup, alarm = self._stock.take()
        except OSError as error:
            give_back()
            raise SandboxFailure("make a cgroup", str(error)) from error
        return CellIdentity(
            uid, cgroup, alarm, give_back, self._stock.give_back, self._stock.discard
        )

    async def _one_cell(self) -> tuple[FramedCell, Callable[[], object]]:
        """A single cell outside any pool, for the probe; and what ends its wall."""
        profile = WarmProfile(name="probe")
        zygote = await self._make_zygote(profile, lambda _link: None)
        try:
            return await zygote.link.fork(zygote.new_identity()), zygote.close
        except SandboxFailure:
            await zygote.close()
            raise

    async def acquire(self, profile: WarmProfile) -> FramedCell:
        """See ``backend.Backend.acquire``."""
        cells = self._cells.get(profile.name)
        if cells is None:
            raise SandboxFailure("take a warm cell", f"no profile named {profile.name}")
        return await cells.acquire()

    def counts(self) -> dict[str, int]:
        """See ``backend.Backend.counts``."""
        return {
            f"pool.{profile}.{name}": value
            for profile, cells in self._cells.items()
            for name, value in cells.counts().items()
        }

    async def close(self) -> None:
        """See ``backend.Backend.close``."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        cells, self._cells = self._cells, {}
        for each in cells.values():
            await each.close()
        if self._use_cgroups:
            self._stock.close()
            self._cgroups.close()
