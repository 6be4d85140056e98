"""What a backend is for a deployment: who provides it for the places that are of it.

Owns the interface and what several backends have in common; which backends there are, and
their names, is ``backends.py``'s.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from vibecell.cli.complaints import say
from vibecell.config import Place, Settings
from vibecell.languages.catalogue import Catalogue, Description, catalogue
from vibecell.model.language import WarmProfile
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.images.rootfs import Image, ImageSpec, build_image, find_image
from vibecell.sandbox.outer_walls import Walls
from vibecell.sandbox.zygote_backend import ZygoteBackend


@dataclass(frozen=True, slots=True)
class Site:
    """A place, as its backend is told of it.

    Attributes:
        place: as the settings have it.
        profiles: of the cells that it keeps warm.
    """

    place: Place
    profiles: tuple[WarmProfile, ...]


class Provider(Protocol):
    """One kind of backend, for all places of a deployment that are of it.

    Making one touches nothing; ``catalogues`` comes first and ``release`` last.

    Attributes:
        image: the runtime image that is a directory, in use; ``None``: there is none.
    """

    @property
    def image(self) -> Image | None: ...

    def catalogues(self, wanted: Mapping[str, tuple[Description, ...]]) -> dict[str, Catalogue]:
        """What of the wanted languages each place can run, by the name of the place.

        Raises:
            SandboxFailure: an image is missing or cannot be built; names it.
        """
        ...

    def backends(self, sites: Mapping[str, Site], host: Host) -> dict[str, Backend]:
        """The backend of each place, not yet open."""
        ...

    def release(self) -> None:
        """Stop using images."""
        ...


def build_directory(settings: Settings, spec: ImageSpec) -> Image:
    """The runtime image that is a directory, built if it is new; then whoever waits is told.

    Raises:
        SandboxFailure: it cannot be built.
    """
    images = settings.state_dir / "images"
    found = find_image(spec, images)
    if found is None:
        say("Preparing the runtime image, once; this takes a minute.")
        found = build_image(spec, images)
    return found


def behind_walls(
    settings: Settings, walls: Mapping[str, Walls], sites: Mapping[str, Site], host: Host
) -> dict[str, Backend]:
    """The backend of each place, where only what makes the walls is the place's own."""
    return {
        name: ZygoteBackend(settings, walls[name], site.place.chosen_wall, host, site.profiles)
        for name, site in sites.items()
    }


class OnDirectory(ABC):
    """Backends whose places have one runtime image, a directory that is built if it is new.

    Args:
        settings: as loaded.
        spec: what the image holds.
    """

    def __init__(self, settings: Settings, spec: ImageSpec) -> None:
        self.image: Image | None = None
        self._settings = settings
        self._spec = spec

    def catalogues(self, wanted: Mapping[str, tuple[Description, ...]]) -> dict[str, Catalogue]:
        """As ``Provider`` has it."""
        self.image = build_directory(self._settings, self._spec)
        return {name: catalogue(here, self.image.versions) for name, here in wanted.items()}

    @abstractmethod
    def backends(self, sites: Mapping[str, Site], host: Host) -> dict[str, Backend]:
        """As ``Provider`` has it."""

    def release(self) -> None:
        """As ``Provider`` has it."""
        if self.image is not None:
            self.image.release()
