"""The isolation backends, by the names that settings have for them.

Owns the table of names; refuses a name that is not in it. To add a backend, add the class
that provides it here or beside, and one line to the table.
"""

from collections.abc import Callable, Iterable, Mapping

from vibecell.cli.composition.providers import OnDirectory, Provider, Site, behind_walls
from vibecell.cli.docker_sdk import require_sdk
from vibecell.config import Settings
from vibecell.model.errors import PlatformError
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.bubblewrap.bubblewrap_walls import BubblewrapWalls
from vibecell.sandbox.fake.scripted_backend import FakeBackend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.images.rootfs import ImageSpec
from vibecell.sandbox.images.rootfs_contents import cell_fingerprint


class Bubblewrap(OnDirectory):
    """Places whose outer walls bubblewrap makes."""

    def backends(self, sites: Mapping[str, Site], host: Host) -> dict[str, Backend]:
        """As ``Provider`` has it."""
        return behind_walls(self._settings, self.walls(sites), sites, host)

    def walls(self, names: Iterable[str]) -> dict[str, BubblewrapWalls]:
        """What makes the walls of each place."""
        assert self.image is not None
        root, program_path = self.image.root, self._settings.program_path
        return {name: BubblewrapWalls(root, program_path) for name in names}


class Fake(OnDirectory):
    """Places that only act as if."""

    def backends(self, sites: Mapping[str, Site], host: Host) -> dict[str, Backend]:
        """As ``Provider`` has it."""
        return {name: FakeBackend() for name in sites}


def _docker(settings: Settings, spec: ImageSpec) -> Provider:
    require_sdk()
    from vibecell.cli.composition.containers import Containers

    return Containers(settings, cell_fingerprint(spec))


BACKENDS: Mapping[str, Callable[[Settings, ImageSpec], Provider]] = {
    "bubblewrap": Bubblewrap,
    "docker": _docker,
    "fake": Fake,
}


def provider(name: str, settings: Settings, spec: ImageSpec) -> Provider:
    """What provides the backend of this name.

    Raises:
        PlatformError: there is none of this name, or the extra that it needs is not installed.
    """
    make = BACKENDS.get(name)
    if make is None:
        known = ", ".join(BACKENDS)
        raise PlatformError("choose a backend", f"there is no {name}; there are {known}")
    return make(settings, spec)


def is_on_directory(name: str) -> bool:
    """Whether places of this backend have the runtime image that is a directory."""
    make = BACKENDS.get(name)
    return isinstance(make, type) and issubclass(make, OnDirectory)
