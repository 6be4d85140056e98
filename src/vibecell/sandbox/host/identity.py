"""What makes a cell itself on the host: its uid and its cgroup.

Owns their common life: both are given back together, and only after the
cell is proved empty; what cannot be proved stays taken for ever.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from vibecell.model.errors import SandboxFailure
from vibecell.model.stopping import EMPTY_DEADLINE_S
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import OomAlarm

_POLL_S = 0.002

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CellIdentity:
    """Held by one cell from its fork to its proven end.

    Attributes:
        uid: of its programs, in the outer wall's terms; 0 where only one uid
            could be mapped.
        cgroup: ``None`` where the host grants none.
        oom_alarm: rings when memory runs out (cgroup v1).
        give_back_uid: frees the uid for another cell.
        give_back_cgroup: takes a cgroup in which there is no process.
        discard_cgroup: removes one that somebody may still hold a way into, or is in.
    """

    uid: int
    cgroup: Cgroup | None
    oom_alarm: OomAlarm | None
    give_back_uid: Callable[[], None]
    give_back_cgroup: Callable[[Cgroup], None] = Cgroup.remove
    discard_cgroup: Callable[[Cgroup], None] = Cgroup.remove

    async def release(self, was_born: bool = True) -> None:
        """Give everything back once no process is left.

        Args:
            was_born: whether the cell came to be. Where it did not, a zygote may
                fork it yet: its cgroup is removed, so that it can enter none.

        Raises:
            SandboxFailure: processes are left; nothing was given back.
        """
        if self.cgroup is not None:
            if self.cgroup.processes():
                await self._wait_until_empty(self.cgroup)
            give_back = self.give_back_cgroup if was_born else self.discard_cgroup
            give_back(self.cgroup)
        self.give_back_uid()

    async def _wait_until_empty(self, cgroup: Cgroup) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EMPTY_DEADLINE_S):
                while cgroup.processes():
                    cgroup.kill()
                    await asyncio.sleep(_POLL_S)
                return
        with contextlib.suppress(OSError):  # tried again, until the wall has ended
            self.discard_cgroup(cgroup)
        raise SandboxFailure("end a cell", "its cgroup is not empty")


async def release_unborn(identity: CellIdentity) -> None:
    """Give back the identity of a cell that never came to be; never raises."""
    try:
        await identity.release(was_born=False)
    except Exception:
        log.exception("the identity of a cell that failed is not used again")
