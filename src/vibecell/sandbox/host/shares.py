"""What this host grants to the cells of one engine, whatever wall they stand behind.

Owns the uids, the cgroups and the pace at which cells are made, each once for all
backends of the process: two that handed out the same uid, or each counted on all
processors, would undo what keeps cells apart. Every wall gets a share of its own,
and nothing of it goes to another wall before it has been given back whole: whoever
has taken a zygote may still hold a way into the cgroups of its cells. Refuses to
know any wall.
"""

import logging
import os
import secrets
from collections.abc import Callable

from vibecell.config import Settings
from vibecell.model import families
from vibecell.model.capabilities import Wall
from vibecell.model.errors import SandboxFailure
from vibecell.model.measures import Measured, gauges
from vibecell.sandbox.host.demand import IdleBounds
from vibecell.sandbox.host.host_figures import HostFigures
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.host.refill import Refill
from vibecell.sandbox.host.wall_bounds import WallBounds, wall_bounds
from vibecell.sandbox.mechanisms import landlock
from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager
from vibecell.sandbox.mechanisms.cgroup_stock import CgroupStock
from vibecell.sandbox.mechanisms.idmap import UidBlock, UidRange
from vibecell.sandbox.mechanisms.pressure import MemoryWatch

CGROUP_PARENT = "vibecell"

log = logging.getLogger(__name__)


class Host:
    """The shares of one engine.

    Args:
        settings: pool sizes, uid base, whether cgroups are required.

    Attributes:
        refill: the one place where cells are begun.
        cgroups: ``None`` where there are none to be had, or none are wanted.
        landlock_abi: as this kernel tells it; 0 means that it has none.
    """

    def __init__(self, settings: Settings) -> None:
        self.refill = Refill(
            IdleBounds(settings.pool_min_idle, settings.pool_max_idle),
            settings.pool_parallel,
            len(os.sched_getaffinity(0)),
            memory=MemoryWatch().look,
        )
        self._uids = UidRange(settings.uid_base) if os.geteuid() == 0 else None
        self.landlock_abi = landlock.supported_abi()
        cgroups = CgroupManager(parent_name=CGROUP_PARENT)
        usable = settings.require_cgroups is not False and cgroups.usable()
        self.cgroups = cgroups if usable else None
        self._settings = settings
        self._shares: set[Share] = set()
        self._figures = HostFigures(
            {"state": settings.state_dir, "run": settings.run_dir},
            self.cgroups.count if self.cgroups is not None else None,
        )

    async def measured(self) -> tuple[Measured, ...]:
        """How the host is, and what is left of what it grants; raises nothing."""
        free = [((), float(self._uids.free_blocks))] if self._uids is not None else []
        return (*await self._figures.measured(), gauges(families.FREE_UID_BLOCKS, free))

    def reap_strays(self) -> None:
        """Clear away cgroups that a former life left; ours have other names, so it may wait."""
        if self.cgroups is not None:
            try:
                self.cgroups.reap_strays()
            except OSError as error:
                log.error("cgroups of an engine that died could not be removed: %s", error)

    def share(self, wall: Wall, maps_uids: bool) -> "Share":
        """What one new wall, and the cells behind it, may have.

        Args:
            wall: whether cells share it.
            maps_uids: whether a block of uids can be mapped into that wall.

        Raises:
            SandboxFailure: no block of uids is free.
        """
        stock = None
        if self.cgroups is not None:
            limits = self._settings.limits
            stock = CgroupStock(
                self.cgroups, limits.memory_bytes, limits.processes, self._settings.cell_cpus
            )
        uids = None
        if maps_uids and self._uids is not None:
            try:
                uids = self._uids.take_block()
            except OSError as error:
                raise SandboxFailure("take uids for a wall", str(error)) from error
        bounds = wall_bounds(
            self._settings, wall, self.cgroups is not None, has_users=self._uids is not None
        )
        share = Share(uids, bounds, stock, self.cgroups, self._share_closed)
        self._shares.add(share)
        try:
            self._bound_all()
        except OSError as error:
            self._share_closed(share)
            raise SandboxFailure("bound all walls together", str(error)) from error
        return share

    def _bound_all(self) -> None:
        if self.cgroups is not None:
            self.cgroups.bound_processes(sum(s.bounds.with_programs for s in self._shares))

    def _share_closed(self, share: "Share") -> None:
        self._shares.discard(share)
        if share.uids is not None and self._uids is not None:
            self._uids.give_back_block(share.uids)
        try:
            self._bound_all()
        except OSError as error:
            log.error("the bound of all walls together stays as it was: %s", error)

    def close(self) -> None:
        """Give the cgroups back; after every backend has been closed."""
        for share in tuple(self._shares):
            share.close()
        if self.cgroups is not None:
            self.cgroups.close()


class Share:
    """The uids and cgroups of one wall and of the cells behind it.

    Attributes:
        uids: to be mapped into the wall; ``None``: it has one uid only.
        bounds: of everything behind the wall that has no cgroup of its own.
    """

    def __init__(
        self,
        uids: UidBlock | None,
        bounds: WallBounds,
        stock: CgroupStock | None,
        cgroups: CgroupManager | None,
        closed: Callable[["Share"], None],
    ) -> None:
        self.uids = uids
        self.bounds = bounds
        self._stock = stock
        self._cgroups = cgroups
        self._cgroup: Cgroup | None = None
        self._closed = closed

    def new_wall_cgroup(self) -> Cgroup | None:
        """A cgroup with the wall's bounds, nobody in it; goes with the share. Made once.

        Returns:
            ``None`` where the host grants none.

        Raises:
            SandboxFailure: it cannot be made.
        """
        if self._cgroups is not None:
            try:
                self._cgroup = self._cgroups.create(f"wall-{secrets.token_hex(8)}")
                most = self.bounds
                self._cgroup.bound(most.memory_bytes, most.processes, most.cpus, oom_group=False)
            except OSError as error:
                raise SandboxFailure("make a cgroup of a wall", str(error)) from error
        return self._cgroup

    def new_identity(self) -> CellIdentity:
        """A uid and a cgroup for one cell.

        Raises:
            SandboxFailure: no cgroup can be made, or every uid is taken.
        """
        try:
            uid = self.uids.take() if self.uids is not None else 0
        except OSError as error:
            raise SandboxFailure("take a uid", str(error)) from error

        def give_back() -> None:
            if self.uids is not None:
                self.uids.give_back(uid)

        if self._stock is None:
            return CellIdentity(uid, None, None, give_back)
        try:
            cgroup, alarm = self._stock.take()
        except OSError as error:
            give_back()
            raise SandboxFailure("make a cgroup", str(error)) from error
        return CellIdentity(
            uid, cgroup, alarm, give_back, self._stock.give_back, self._stock.discard
        )

    def close(self) -> None:
        """Give it back; only when nothing is left of the wall. Idempotent."""
        if self._stock is not None:
            self._stock.close()
        if self._cgroup is not None:
            try:
                self._cgroup.kill()
                self._cgroup.remove()
            except OSError as error:
                log.error("a wall's cgroup is not empty, its uids are not used again: %s", error)
                return
            self._cgroup = None
        self._closed(self)
