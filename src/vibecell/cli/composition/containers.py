"""Where places that are containers are put together.

Owns which runtime image each language gets; refuses to go on without an image that
is needed. Imported only where containers are wanted: the Docker SDK is an extra.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

import docker

from vibecell.cli.composition.providers import Site, behind_walls
from vibecell.config import Place, Settings
from vibecell.languages.catalogue import Catalogue, Description, catalogue
from vibecell.model.language import DEFAULT_IMAGE
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.docker.client import connect
from vibecell.sandbox.docker.docker_walls import DockerWalls
from vibecell.sandbox.docker.image import RuntimeImage, find
from vibecell.sandbox.docker.roster import Roster
from vibecell.sandbox.host.shares import Host

_SPARE_THREADS = 4  # for removing containers while as many as may be are made

# what is installed on the host is of no use to them
_MEND = (
    "build its image on a base that has it, or whose package manager does "
    "(vibecell images build --base BASE --name {name}), and start again"
)


class Containers:
    """The ``Provider`` of places that are containers.

    Args:
        settings: the Docker engine's address; which language has which image.
        fingerprint: of the cell programs that an image must hold.
    """

    image = None  # the Docker engine has ours

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        self._settings = settings
        self._fingerprint = fingerprint
        self._found: dict[str, RuntimeImage] = {}
        self._of_profile: dict[str, RuntimeImage] = {}

    def catalogues(self, wanted: Mapping[str, tuple[Description, ...]]) -> dict[str, Catalogue]:
        """The languages that the containers of each place can run, each by its own image.

        Raises:
            SandboxFailure: the Docker engine cannot be reached; or an image is missing, or
                is none of ours; names it.
        """
        with contextlib.closing(connect(self._settings.docker_host)) as client:
            self._of_profile[""] = self._image(client, DEFAULT_IMAGE)
            return {name: self._catalogue(client, here) for name, here in wanted.items()}

    def backends(self, sites: Mapping[str, Site], host: Host) -> dict[str, Backend]:
        """The backend of each place, not yet open."""
        walls = self.walls({name: site.place for name, site in sites.items()})
        return behind_walls(self._settings, walls, sites, host)

    def walls(self, places: Mapping[str, Place]) -> dict[str, DockerWalls]:
        """What makes the walls of each of these places; they share a roster."""
        settings = self._settings
        roster = Roster(
            settings.docker_host, settings.run_dir, settings.pool_parallel + _SPARE_THREADS
        )
        return {
            name: DockerWalls(settings, roster, place.chosen_wall, place.runtime, self._of_profile)
            for name, place in places.items()
        }

    def release(self) -> None:
        """Nothing: images that the Docker engine has are not ours to hold."""

    def _catalogue(
        self, client: docker.APIClient, descriptions: tuple[Description, ...]
    ) -> Catalogue:
        whole = Catalogue(())
        for description in descriptions:
            language = description.language
            name = self._settings.images.get(language.name, language.image)
            image = self._image(client, name)
            self._of_profile.update((p.name, image) for p in language.profiles)
            found = catalogue((description,), image.versions)
            lacking = tuple(replace(x, mend=_MEND.format(name=name)) for x in found.unavailable)
            whole = replace(
                whole,
                languages=whole.languages + found.languages,
                unavailable=whole.unavailable + lacking,
            )
        return whole

    def _image(self, client: docker.APIClient, name: str) -> RuntimeImage:
        if name not in self._found:
            self._found[name] = find(client, name, self._fingerprint)
        return self._found[name]
