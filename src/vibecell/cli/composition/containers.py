"""Where places that are containers are put together.

Owns which runtime image each language gets; refuses to go on without an image that
is needed. Imported only where containers are wanted: the Docker SDK is an extra.
"""

from collections.abc import Mapping
from dataclasses import replace

from vibecell.config import Place, Settings
from vibecell.languages.catalogue import Catalogue, Description, catalogue
from vibecell.model.language import DEFAULT_IMAGE
from vibecell.sandbox.docker.client import connect
from vibecell.sandbox.docker.docker_walls import DockerWalls
from vibecell.sandbox.docker.image import RuntimeImage, find
from vibecell.sandbox.docker.roster import Roster

_SPARE_THREADS = 4  # for removing containers while as many as may be are made

# what is installed on the host is of no use to them
_MEND = (
    "build its image on a base that has it, or whose package manager does "
    "(vibecell images build --base BASE --name {name}), and start again"
)


class Containers:
    """The runtime images of this deployment's Docker engine, found when asked for.

    Args:
        settings: the engine's address; which language has which image.
        fingerprint: of the cell programs that an image must hold.

    Raises:
        SandboxFailure: the engine cannot be reached.
    """

    def __init__(self, settings: Settings, fingerprint: str) -> None:
        self._settings = settings
        self._fingerprint = fingerprint
        self._client = connect(settings.docker_host)
        self._found: dict[str, RuntimeImage] = {}
        self._of_profile: dict[str, RuntimeImage] = {"": self._image(DEFAULT_IMAGE)}

    def catalogue(self, descriptions: tuple[Description, ...]) -> Catalogue:
        """The languages that containers can run, each by its own image.

        Raises:
            SandboxFailure: an image is missing, or is none of ours; names it.
        """
        whole = Catalogue(())
        for description in descriptions:
            language = description.language
            name = self._settings.images.get(language.name, language.image)
            image = self._image(name)
            self._of_profile.update((p.name, image) for p in language.profiles)
            found = catalogue((description,), image.versions)
            lacking = tuple(replace(x, mend=_MEND.format(name=name)) for x in found.unavailable)
            whole = replace(
                whole,
                languages=whole.languages + found.languages,
                unavailable=whole.unavailable + lacking,
            )
        return whole

    def close(self) -> None:
        """Ask the engine no more."""
        self._client.close()

    def walls(self, places: Mapping[str, Place]) -> dict[str, DockerWalls]:
        """What makes the walls of each place that is containers; they share a roster."""
        settings = self._settings
        roster = Roster(
            settings.docker_host, settings.run_dir, settings.pool_parallel + _SPARE_THREADS
        )
        return {
            name: DockerWalls(settings, roster, place.chosen_wall, place.runtime, self._of_profile)
            for name, place in places.items()
            if place.backend == "docker"
        }

    def _image(self, name: str) -> RuntimeImage:
        if name not in self._found:
            self._found[name] = find(self._client, name, self._fingerprint)
        return self._found[name]
