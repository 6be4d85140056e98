"""Walls made by bubblewrap.

Theory of operation. One bubblewrap (``bwrap.py``) holds one zygote: new user,
pid, mount, network, IPC, UTS and cgroup namespaces, a read-only root that is our
own image and nothing of the host's, an empty environment. What happens behind it is
the same behind all such walls (``sandbox/zygote_backend.py``).

Owns where the programs and the image are; refuses to know cells.
"""

import os
import shutil
from pathlib import Path

from vibecell.model.capabilities import Layer
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox import probe
from vibecell.sandbox.bubblewrap import bwrap
from vibecell.sandbox.host.shares import Share

LAYER = "outer wall (bubblewrap)"


class BubblewrapWalls:
    """See ``outer_walls.Walls``.

    Args:
        image: the read-only root every cell sees.
        program_path: where bubblewrap and prlimit are looked for, as ``PATH``.
    """

    name = "bubblewrap"
    patience = 3  # it fails at once and by itself: three in a row are no accident

    def __init__(self, image: Path, program_path: str) -> None:
        self._image = image
        self._programs = bwrap.Programs(
            bubblewrap=shutil.which("bwrap", path=program_path) or "",
            prlimit=shutil.which("prlimit", path=program_path) or "",
        )

    @property
    def maps_uids(self) -> bool:
        """See ``outer_walls.Walls``: root alone may map a block from outside."""
        return os.geteuid() == 0

    def uid_layer(self) -> Layer:
        """See ``outer_walls.Walls``."""
        return probe.uid_layer_where(self.maps_uids)

    async def prepare(self) -> tuple[Layer, ...]:
        """See ``outer_walls.Walls``."""
        if not self._programs.bubblewrap:
            raise SandboxFailure("start bubblewrap", "the program bwrap is not installed")
        if self.maps_uids and not self._programs.prlimit:
            said = "the program prlimit, of util-linux, is not installed"
            raise SandboxFailure("start bubblewrap", said)
        return (Layer(LAYER, True, self._programs.bubblewrap),)

    async def open(self) -> None:
        """See ``outer_walls.Walls``; ``host/shares.py`` finds what outlives its engine."""

    async def build(self, _profile: WarmProfile, share: Share) -> bwrap.BubblewrapWall:
        """See ``outer_walls.Walls``."""
        try:
            return await bwrap.build(self._programs, self._image, share)
        except BaseException:  # whatever had been started has been waited for
            share.close()
            raise

    def not_standing(self, error: SandboxFailure) -> Layer:
        """See ``outer_walls.Walls``."""
        return Layer(
            LAYER,
            enforced=False,
            detail=str(error),
            mend="install bubblewrap and allow unprivileged user namespaces "
            "(kernel.unprivileged_userns_clone=1, apparmor_restrict_unprivileged_userns=0)",
        )

    async def close(self) -> None:
        """See ``outer_walls.Walls``; they have nothing in common."""
