"""The ports of an outer wall: what a tool that makes them gives, and what stands then.

``Walls`` serves tools whose walls have a zygote behind them that is reached by a Unix
socket, over which descriptors are passed: a namespace tool, a container engine. Every cell
comes out of that socket: its own link and the way into its cgroups go in, and what is
forked is held by a pidfd. Whatever cannot do that (a micro virtual machine: no shared
kernel, so no SCM_RIGHTS and no pidfd) makes no ``Walls``; it implements
``backend.Backend`` itself, and none of ``zygote_backend.py`` is its affair.

Owns these two interfaces, and what every such tool starts: the zygote's command, folder
and environment (``cell/sitecustomize.py`` has the other end). Refuses to know a tool, or
a cell.

Source: unix(7), SCM_RIGHTS; pidfd_open(2)
"""

import socket
from collections.abc import Mapping
from typing import Protocol

from vibecell.model.capabilities import Layer
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.images.image_rules import CELL_PROGRAMS, PROGRAM_PATH

ZYGOTE_COMMAND = ("python3", "main.py")
ZYGOTE_FOLDER = "/workspace"
# Python finds the zygote by PYTHONPATH: sitecustomize.py. It decides by HOME where the user's own
# packages are, as it would in a cell.
ZYGOTE_ENV: Mapping[str, str] = {
    "PATH": PROGRAM_PATH,
    "HOME": ZYGOTE_FOLDER,
    "LANG": "C.UTF-8",
    "PYTHONPATH": f"/{CELL_PROGRAMS}",
}
# The zygote meets us on a descriptor that it inherits, or where a path leads.
CONTROL_FD_VARIABLE = "VIBECELL_CONTROL_FD"
CONTROL_SOCKET_VARIABLE = "VIBECELL_CONTROL_SOCKET"


class OuterWall(Protocol):
    """A wall that stands, with a zygote behind it that waits for its set-up."""

    @property
    def control(self) -> socket.socket:
        """Our end of the zygote's control socket."""
        ...

    async def close(self) -> None:
        """End the zygote and everything behind the wall; never raises.

        Then closes the share that ``Walls.build`` was given, unless something may be left.
        """
        ...


class Walls(Protocol):
    """A tool that makes outer walls.

    Attributes:
        name: of the backend ("bubblewrap").
        patience: failures to make a cell before those who wait are told.
    """

    name: str
    patience: int

    @property
    def maps_uids(self) -> bool:
        """Whether a block of uids can be mapped into a wall; asked after ``prepare``."""
        ...

    def uid_layer(self) -> Layer:
        """How far cells differ in their uids outside; asked after ``prepare``."""
        ...

    async def prepare(self) -> tuple[Layer, ...]:
        """Find what walls are made with; what is known of it before one is made.

        Idempotent.

        Raises:
            SandboxFailure: it is not there; names what is missing.
        """
        ...

    async def open(self) -> None:
        """Reap what a former life left, before the first wall; idempotent.

        Raises:
            SandboxFailure: it cannot be found out what there is.
        """
        ...

    async def build(self, profile: WarmProfile, share: Share) -> OuterWall:
        """A new wall, its zygote connected.

        Args:
            share: of the host. Closed once nothing is left of the wall, whether it
                came to stand or not; never, where that cannot be shown.

        Raises:
            SandboxFailure: as it says.
        """
        ...

    def not_standing(self, error: SandboxFailure) -> Layer:
        """What to tell where no wall could be made: the layer, and its mend."""
        ...

    async def close(self) -> None:
        """Give up what the walls needed in common; after the last has been closed."""
        ...
