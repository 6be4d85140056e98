"""The places of a deployment.

Owns the choice of concrete classes for each place, and which languages run there;
refuses everything that could be decided inside a room.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vibecell.cli.composition.image_spec import image_spec
from vibecell.cli.docker_sdk import require_sdk
from vibecell.config import Place, Settings
from vibecell.languages.catalogue import Catalogue, catalogue, describe, in_order
from vibecell.model.errors import PlatformError
from vibecell.model.language import Offer
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.bubblewrap.bubblewrap_walls import BubblewrapWalls
from vibecell.sandbox.fake.scripted_backend import FakeBackend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.images.rootfs import Image, ImageSpec, build_image
from vibecell.sandbox.images.rootfs_contents import cell_fingerprint
from vibecell.sandbox.places import Places
from vibecell.sandbox.zygote_backend import WalledBackend, Walls

if TYPE_CHECKING:  # it needs an SDK that is an extra
    from vibecell.cli.composition.containers import Containers


def prepare(settings: Settings) -> tuple[Image, Catalogue]:
    """The runtime image, built if it is new, and the languages it can run.

    Raises:
        SandboxFailure: the image cannot be built.
    """
    descriptions = describe()
    spec = image_spec(descriptions, settings.program_path)
    image = _image(spec, settings)
    return image, catalogue(descriptions, image.versions)


def _image(spec: ImageSpec, settings: Settings) -> Image:
    return build_image(spec, settings.state_dir / "images")


def deploy(settings: Settings) -> "Deployment":
    """Find everything that the settings' places need; an image that is a directory is built.

    Raises:
        PlatformError: the settings name a language that there is not, or the Docker
            SDK is wanted and not installed.
        SandboxFailure: an image of containers or the Docker engine is missing; names it.
    """
    places = {"": settings.default_place, **settings.places}
    descriptions = describe()
    _check_names(settings, {d.language.name for d in descriptions})
    spec = image_spec(descriptions, settings.program_path)
    image = None
    if any(place.backend != "docker" for place in places.values()):
        image = _image(spec, settings)
    containers = None
    if any(place.backend == "docker" for place in places.values()):
        require_sdk()
        from vibecell.cli.composition.containers import Containers

        containers = Containers(settings, cell_fingerprint(spec))
    catalogues = {}
    for name, place in places.items():
        here = tuple(
            d for d in descriptions if not place.languages or d.language.name in place.languages
        )
        if place.backend == "docker" and containers is not None:
            catalogues[name] = containers.catalogue(here)
        else:
            assert image is not None
            catalogues[name] = catalogue(here, image.versions)
    if containers is not None:
        containers.close()
    return Deployment(settings, places, catalogues, image, containers)


def _check_names(settings: Settings, known: set[str]) -> None:
    named = {"images": set(settings.images)}
    named |= {f"the place {name}": set(place.languages) for name, place in settings.places.items()}
    for where, names in named.items():
        if unknown := names - known:
            raise PlatformError(f"read {where}", f"no language {', '.join(sorted(unknown))}")


class Deployment:
    """The places of a deployment, and the languages of each.

    Attributes:
        languages: of a request that names no class; what is unavailable, in any place.
        offer: the same languages, and those of a request that names a class.
        image: the runtime image that is a directory, where a place needs one.
    """

    def __init__(
        self,
        settings: Settings,
        places: Mapping[str, Place],
        catalogues: Mapping[str, Catalogue],
        image: Image | None,
        containers: "Containers | None",
    ) -> None:
        self.image = image
        self._settings = settings
        self._places = places
        self._containers = containers
        placed = {name: _placed(found, name) for name, found in catalogues.items()}
        self._profiles = {name: found.profiles for name, found in placed.items()}
        routed = {x: name for name, place in places.items() for x in place.languages}
        here = [x for name, x in placed[""].by_name.items() if name not in routed]
        there = [placed[place].by_name[x] for x, place in routed.items()
                 if x in placed[place].by_name]  # fmt: skip
        self.languages = Catalogue(
            languages=tuple(sorted(here + there, key=in_order)),
            # nobody misses in the default place what is sent to another
            unavailable=tuple(
                x for found in placed.values() for x in found.unavailable
                if x.place or x.name not in routed
            ),
        )  # fmt: skip
        classes = {
            name: found.languages
            for name, found in placed.items()
            if name and places[name].by_request
        }
        self.offer = Offer(self.languages.languages, MappingProxyType(classes))
        # of the default place only what nobody else runs is kept warm
        self._profiles[""] = tuple(p for p in self.languages.profiles if not p.place)

    def backend(self) -> Places:
        """All the walls, not yet open."""
        host = Host(self._settings)
        containers: Mapping[str, Walls] = {}
        if self._containers is not None:
            containers = self._containers.walls(self._places)
        return Places({name: self._backend(name, containers, host) for name in self._places}, host)

    def _backend(self, name: str, containers: Mapping[str, Walls], host: Host) -> Backend:
        place = self._places[name]
        if place.backend == "fake":
            return FakeBackend()
        walls = containers.get(name)
        if walls is None:
            assert self.image is not None
            walls = BubblewrapWalls(self.image.root, self._settings.program_path)
        return WalledBackend(self._settings, walls, place.chosen_wall, host, self._profiles[name])

    def release(self) -> None:
        """Stop using the images."""
        if self.image is not None:
            self.image.release()


def _placed(found: Catalogue, place: str) -> Catalogue:
    return Catalogue(
        languages=tuple(
            replace(x, profiles=tuple(replace(p, place=place) for p in x.profiles))
            for x in found.languages
        ),
        unavailable=tuple(replace(x, place=place) for x in found.unavailable),
    )
