"""What a person asks before running anything: doctor, languages, prepare.

Owns the words of these reports; refuses to judge: a layer is missing when the
backend's own probe says so.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from vibecell.cli import composition
from vibecell.config import Settings
from vibecell.languages.catalogue import Catalogue


def doctor(settings: Settings, as_json: bool) -> int:
    """Say what protects this host, layer by layer; 1 if a required one is missing."""
    image, languages = composition.prepare(settings)
    backend = composition.make_backend(settings, image, languages)
    capabilities = asyncio.run(backend.probe())
    layers = [asdict(layer) for layer in capabilities.layers]
    sound = not capabilities.missing
    if as_json:
        report = {
            "sound": sound,
            "backend": capabilities.backend,
            "wall": capabilities.wall,
            "layers": layers,
            "image": str(image.root),
            "languages": {x.name: x.version for x in languages.languages},
            "unavailable": [asdict(x) for x in languages.unavailable],
        }
        print(json.dumps(report, indent=2))
        return 0 if sound else 1
    print(f"Backend {capabilities.backend}, wall {capabilities.wall}")
    for line in layer_lines(layers):
        print(f"  {line}")
    _print_languages(languages)
    print("Everything required is in place." if sound else "Something required is missing.")
    return 0 if sound else 1


def languages(settings: Settings, as_json: bool) -> int:
    """List the languages of this deployment."""
    _, found = composition.prepare(settings)
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
    print("Preparing the runtime image; the first time takes a minute.", file=sys.stderr)
    image, found = composition.prepare(settings)
    print(f"{image.root}")
    _print_languages(found)
    return 0


def layer_lines(layers: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """One line for a layer, and one with the mend for a missing one."""
    for layer in layers:
        mark = "✓" if layer["enforced"] else ("✗" if layer["required"] else "–")
        yield f"{mark} {layer['name']}: {layer['detail']}"
        if not layer["enforced"] and layer["mend"]:
            yield f"    to mend: {layer['mend']}"


def _print_languages(found: Catalogue) -> None:
    for language in found.languages:
        names = ", ".join(language.aliases)
        print(f"  ✓ {language.name} {language.version} ({names})")
    for absent in found.unavailable:
        print(f"  – {absent.name}: {absent.reason}; to mend: {absent.mend}")
