"""Runtime images of containers, as a person asks for them: build and list.

Owns the words of ``vibecell images``; refuses to know how an image is made.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vibecell.cli.composition.image_spec import image_spec
from vibecell.cli.docker_sdk import require_sdk
from vibecell.config import Settings
from vibecell.languages.catalogue import Catalogue, catalogue, describe
from vibecell.sandbox.images.rootfs_contents import cell_fingerprint

if TYPE_CHECKING:  # it needs the SDK
    from vibecell.sandbox.docker.image import ListedImage

BUILD_SILENCE_S = 120.0  # between two lines of a pull
_HEADINGS = ("IMAGE", "BASE", "SIZE", "CREATED", "FITS", "VERSIONS")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``images build`` was asked for.

    Attributes:
        name: the last part of the image's name.
        base: the reference it is built on.
        network: of the steps that install system programs; ``None``: the daemon's default.
    """

    name: str
    base: str
    network: str | None


def build(settings: Settings, wanted: Wanted) -> int:
    """Build an image; prints its reference on standard output, all else on the other."""
    require_sdk()
    from vibecell.sandbox.docker.client import connect
    from vibecell.sandbox.docker.image_build import build as build_image

    descriptions = describe()
    built = build_image(
        connect(settings.docker_host, timeout_s=BUILD_SILENCE_S),
        name=wanted.name,
        base=wanted.base,
        spec=image_spec(descriptions, settings.program_path),
        cache=settings.state_dir / "wheels",
        say=lambda line: print(line, file=sys.stderr, flush=True),
        network=wanted.network,
    )
    print(built.reference)
    for line in _language_lines(catalogue(descriptions, built.versions)):
        print(line, file=sys.stderr)
    return 0


def listing(settings: Settings, as_json: bool) -> int:
    """Print the images of the daemon, and which of them fit this version of Vibecell."""
    require_sdk()
    from vibecell.sandbox.docker.client import connect
    from vibecell.sandbox.docker.image import list_images

    found = list_images(connect(settings.docker_host))
    ours = cell_fingerprint(image_spec(describe(), settings.program_path))
    if as_json:
        print(json.dumps([_as_json(image, ours) for image in found], indent=2))
    elif not found:
        print("There is no image yet; to build one: vibecell images build", file=sys.stderr)
    else:
        now = datetime.now(UTC)
        for line in table([_HEADINGS, *(_row(image, ours, now) for image in found)]):
            print(line)
    return 0


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two blanks between them."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def age(created: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits: ``5 minutes ago``."""
    seconds = max(0, int((now - created).total_seconds()))
    for unit, length_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = seconds // length_s
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _row(image: "ListedImage", ours: str, now: datetime) -> tuple[str, ...]:
    return (
        image.reference or image.id.removeprefix("sha256:")[:12],
        image.base,
        f"{image.size_bytes / _MIB:.0f} MiB",
        age(image.created, now),
        "yes" if image.fingerprint == ours else "no",
        _versions_text(image.versions),
    )


def _versions_text(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def _as_json(image: "ListedImage", ours: str) -> dict[str, object]:
    return {
        "id": image.id,
        "reference": image.reference,
        "base": image.base,
        "size_bytes": image.size_bytes,
        "created": image.created.isoformat(),
        "versions": dict(image.versions),
        "fits": image.fingerprint == ours,
    }


def _language_lines(found: Catalogue) -> Iterable[str]:
    for language in found.languages:
        yield f"  ✓ {language.name} {language.version}"
    for absent in found.unavailable:
        yield f"  – {absent.name}: {absent.reason}"
