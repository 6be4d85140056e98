"""The places of a deployment.

Owns the choice of concrete classes for each place, and which languages run there;
refuses everything that could be decided inside a room.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from vibecell.cli.composition.backends import provider
from vibecell.cli.composition.image_spec import image_spec
from vibecell.cli.composition.providers import Provider, Site, build_directory
from vibecell.config import Place, Settings
from vibecell.languages.catalogue import Catalogue, Description, catalogue, describe, in_order
from vibecell.model.errors import PlatformError
from vibecell.model.language import Offer
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.images.rootfs import Image
from vibecell.sandbox.places import Places


def prepare(settings: Settings) -> tuple[Image, Catalogue]:
    """The runtime image, built if it is new, and the languages it can run.

    Raises:
        SandboxFailure: the image cannot be built.
    """
    descriptions = describe()
    spec = image_spec(descriptions, settings.program_path)
    image = build_directory(settings, spec)
    return image, catalogue(descriptions, image.versions)


def deploy(settings: Settings) -> "Deployment":
    """Find everything that the settings' places need; an image that is a directory is built.

    Raises:
        PlatformError: the settings name a language or a backend that there is not, or the
            Docker SDK is wanted and not installed.
        SandboxFailure: an image of containers or the Docker engine is missing; names it.
    """
    places = {"": settings.default_place, **settings.places}
    descriptions = describe()
    _check_names(settings, {d.language.name for d in descriptions})
    spec = image_spec(descriptions, settings.program_path)
    kinds = dict.fromkeys(place.backend for place in places.values())
    providers = {kind: provider(kind, settings, spec) for kind in kinds}
    found: dict[str, Catalogue] = {}
    for kind, provided in providers.items():
        found |= provided.catalogues(
            {name: _run_in(place, descriptions) for name, place in places.items()
             if place.backend == kind}
        )  # fmt: skip
    return Deployment(settings, places, {name: found[name] for name in places}, providers)


def _run_in(place: Place, descriptions: tuple[Description, ...]) -> tuple[Description, ...]:
    """The languages that a place should run: those sent there, or any."""
    chosen = place.languages
    return tuple(d for d in descriptions if not chosen or d.language.name in chosen)


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
    """

    def __init__(
        self,
        settings: Settings,
        places: Mapping[str, Place],
        catalogues: Mapping[str, Catalogue],
        providers: Mapping[str, Provider],
    ) -> None:
        self._settings = settings
        self._places = places
        self._providers = providers
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
        made: dict[str, Backend] = {}
        for kind, provided in self._providers.items():
            sites = {
                name: Site(place, self._profiles[name])
                for name, place in self._places.items()
                if place.backend == kind
            }
            made |= provided.backends(sites, host)
        return Places({name: made[name] for name in self._places}, host)

    @property
    def image(self) -> Image | None:
        """The runtime image that is a directory, where a place needs one."""
        return next((p.image for p in self._providers.values() if p.image is not None), None)

    def release(self) -> None:
        """Stop using the images."""
        for provided in self._providers.values():
            provided.release()


def _placed(found: Catalogue, place: str) -> Catalogue:
    return Catalogue(
        languages=tuple(
            replace(x, profiles=tuple(replace(p, place=place) for p in x.profiles))
            for x in found.languages
        ),
        unavailable=tuple(replace(x, place=place) for x in found.unavailable),
    )
