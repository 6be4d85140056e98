"""What a person asks before running anything: doctor, languages, prepare.

Owns the words of these reports; refuses to judge: a layer is missing when the
backend's own probe says so.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from vibecell.cli.composition import deployment
from vibecell.cli.composition.backends import is_on_directory
from vibecell.config import Settings
from vibecell.languages.catalogue import Catalogue
from vibecell.model.capabilities import Capabilities, Layer
from vibecell.sandbox.places import Places


def doctor(settings: Settings, as_json: bool) -> int:
    """Say what protects this host, layer by layer; 1 if a required one is missing."""
    deployed = deployment.deploy(settings)
    languages = deployed.languages
    places = asyncio.run(_probe(deployed.backend()))
    capabilities = places.pop("")
    layers = _layers(capabilities)
    sound = not capabilities.missing and not any(found.missing for found in places.values())
    if as_json:
        report = {
            "sound": sound,
            "backend": capabilities.backend,
            "wall": capabilities.wall,
            "layers": layers,
            "places": {
                name: {"backend": found.backend, "wall": found.wall, "layers": _layers(found)}
                for name, found in places.items()
            },
            "image": str(deployed.image.root) if deployed.image is not None else None,
            "languages": {x.name: x.version for x in languages.languages},
            "unavailable": [asdict(x) for x in languages.unavailable],
        }
        print(json.dumps(report, indent=2))
        return 0 if sound else 1
    print(f"Backend {capabilities.backend}, wall {capabilities.wall}")
    for line in layer_lines(capabilities.layers):
        print(f"  {line}")
    for name, found in places.items():
        print(f"Place {name}: backend {found.backend}, wall {found.wall}")
        for line in layer_lines(found.layers):
            print(f"  {line}")
    _print_languages(languages)
    print("Everything required is in place." if sound else "Something required is missing.")
    return 0 if sound else 1


async def _probe(backend: Places) -> dict[str, Capabilities]:
    try:
        return await backend.probe_each()
    finally:
        await backend.close()


def _layers(capabilities: Capabilities) -> list[dict[str, object]]:
    return [asdict(layer) for layer in capabilities.layers]


def languages(settings: Settings, as_json: bool) -> int:
    """List the languages of this deployment."""
    found = deployment.deploy(settings).languages
    if as_json:
        shown = [
            {"name": x.name, "version": x.version, "aliases": x.aliases} for x in found.languages
        ]
        print(json.dumps(shown, indent=2))
    else:
        _print_languages(found)
    return 0


def prepare(settings: Settings) -> int:
    """Build the runtime image, or find that there is nothing to do."""
    places = (settings.default_place, *settings.places.values())
    if not any(is_on_directory(place.backend) for place in places):
        print("Containers have images of their own: vibecell images build", file=sys.stderr)
        return 0
    image, found = deployment.prepare(settings)
    print(f"{image.root}")
    _print_languages(found)
    return 0


def layer_lines(layers: Iterable[Layer]) -> Iterator[str]:
    """One line for a layer, and one with the mend for a missing one."""
    for layer in layers:
        mark = "✓" if layer.enforced else ("✗" if layer.required else "–")
        yield f"{mark} {layer.name}: {layer.detail}"
        if not layer.enforced and layer.mend:
            yield f"    to mend: {layer.mend}"


def _print_languages(found: Catalogue) -> None:
    for language in found.languages:
        names = ", ".join(language.aliases)
        print(f"  ✓ {language.name} {language.version} ({names})")
    for absent in found.unavailable:
        where = f" in the place {absent.place}" if absent.place else ""
        print(f"  – {absent.name}{where}: {absent.reason}; to mend: {absent.mend}")
