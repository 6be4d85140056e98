"""Walls made by bubblewrap.

Theory of operation. One bubblewrap (``outer_wall.py``) holds one zygote: new user,
pid, mount, network, IPC, UTS and cgroup namespaces, a read-only root that is our
own image and nothing of the host's, an empty environment. What happens behind it is
the same for every backend (``sandbox/walled.py``).

Owns where the programs and the image are; refuses to know cells.
"""

import os
import shutil
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox import probe
from vibecell.sandbox.backend import Layer
from vibecell.sandbox.bubblewrap import outer_wall
from vibecell.sandbox.host import Share
from vibecell.sandbox.pool import MAX_FAILURES

LAYER = "outer wall (bubblewrap)"


class BubblewrapWalls:
    """See ``walled.Walls``.

    Args:
        image: the read-only root every cell sees.
        program_path: where bubblewrap and prlimit are looked for, as ``PATH``.
    """

    name = "bubblewrap"
    patience = MAX_FAILURES

    def __init__(self, image: Path, program_path: str) -> None:
        self._image = image
        self._programs = outer_wall.Programs(
            bubblewrap=shutil.which("bwrap", path=program_path) or "",
            prlimit=shutil.which("prlimit", path=program_path) or "",
        )

    @property
    def maps_uids(self) -> bool:
        """See ``walled.Walls``: root alone may map a block from outside."""
        return os.geteuid() == 0

    def uid_layer(self) -> Layer:
        """See ``walled.Walls``."""
        return probe.uid_layer_where(self.maps_uids)

    async def prepare(self) -> tuple[Layer, ...]:
        """See ``walled.Walls``."""
        if not self._programs.bubblewrap:
            raise SandboxFailure("start bubblewrap", "the program bwrap is not installed")
        if self.maps_uids and not self._programs.prlimit:
            said = "the program prlimit, of util-linux, is not installed"
            raise SandboxFailure("start bubblewrap", said)
        return (Layer(LAYER, True, self._programs.bubblewrap),)

    async def open(self) -> None:
        """See ``walled.Walls``; what outlives its engine is found by its cgroup (``host.py``)."""

    async def build(self, _profile: WarmProfile, share: Share) -> outer_wall.OuterWall:
        """See ``walled.Walls``."""
        try:
            return await outer_wall.build(self._programs, self._image, share)
        except BaseException:  # whatever had been started has been waited for
            share.close()
            raise

    def not_standing(self, error: SandboxFailure) -> Layer:
        """See ``walled.Walls``."""
        return Layer(
            LAYER,
            enforced=False,
            detail=str(error),
            mend="install bubblewrap and allow unprivileged user namespaces "
            "(kernel.unprivileged_userns_clone=1, apparmor_restrict_unprivileged_userns=0)",
        )

    async def close(self) -> None:
        """See ``walled.Walls``; they have nothing in common."""
