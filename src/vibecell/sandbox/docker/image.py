"""Runtime images of containers: what they are called, and which this daemon has.

Owns the name, the labels and the finding of an image; refuses one that is not of
ours, one whose cell programs are not of this version, and one that declares
volumes. How an image is made is in ``image_build``.

An image is called ``vibecell/NAME:FINGERPRINT`` after the cell programs in it: both
ends of the cell protocol are then of one version, and an image of another version
is not taken for this one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import docker

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import Missing, asking

REPOSITORY = "vibecell"
LABEL_IMAGE = "io.vibecell.image"
LABEL_BASE = "io.vibecell.base"
LABEL_CELL_PROGRAMS = "io.vibecell.cell-programs"
LABEL_VERSIONS = "io.vibecell.versions"
IMAGE_FORMAT = "1"  # value of LABEL_IMAGE
# Source: OCI distribution specification 1.1, "Pulling manifests": one component of <name>
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_MAX_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class RuntimeImage:
    """An image that containers can be made of.

    Attributes:
        id: ``sha256:…``; stays the same image when its name moves on.
        reference: ``vibecell/NAME:FINGERPRINT``.
        versions: program name to version, as measured in the image.
        env: of the image's configuration, ``NAME=value`` each.
    """

    id: str
    reference: str
    versions: Mapping[str, str]
    env: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One of the images of a daemon.

    Attributes:
        id: ``sha256:…``.
        reference: empty where a later build has taken its name.
        base: what it was built on, as it was named then.
        size_bytes: of all its layers.
        created: when it was built.
        versions: program name to version.
        fingerprint: of the cell programs in it.
    """

    id: str
    reference: str
    base: str
    size_bytes: int
    created: datetime
    versions: Mapping[str, str]
    fingerprint: str


def reference_of(name: str, fingerprint: str) -> str:
    """What the image of this name and these cell programs is called.

    Raises:
        SandboxFailure: the name cannot be part of an image's name.
    """
    if len(name) > _MAX_NAME_CHARACTERS or _NAME.fullmatch(name) is None:
        said = f"{name!r} must be small letters and digits, with single . _ or - between them"
        raise SandboxFailure("name a runtime image", said)
    return f"{REPOSITORY}/{name}:{fingerprint}"


def find(client: docker.APIClient, name: str, fingerprint: str) -> RuntimeImage:
    """The image of this name whose cell programs have this fingerprint.

    Raises:
        Missing: the daemon does not have it; says how it is built.
        SandboxFailure: it is not an image of ours, or declares volumes.
    """
    reference = reference_of(name, fingerprint)
    step = f"find the image {reference}"
    try:
        with asking(step):
            found = client.inspect_image(reference)
    except Missing as error:
        said = f"it is not here: vibecell images build --name {name}"
        raise Missing(step, said) from error
    configuration = found.get("Config") or {}
    labels = configuration.get("Labels") or {}
    if labels.get(LABEL_IMAGE) != IMAGE_FORMAT or labels.get(LABEL_CELL_PROGRAMS) != fingerprint:
        raise SandboxFailure(step, "its labels say that it is not a runtime image of this version")
    if configuration.get("Volumes"):
        # each would be a writable directory of the host, beyond every limit
        raise SandboxFailure(step, "it declares volumes")
    versions = _versions(labels)
    if not versions:
        raise SandboxFailure(step, f"its label {LABEL_VERSIONS} cannot be read")
    return RuntimeImage(found["Id"], reference, versions, tuple(configuration.get("Env") or ()))


def list_images(client: docker.APIClient) -> list[ListedImage]:
    """The runtime images of this daemon, those built last first.

    Raises:
        SandboxFailure: the daemon cannot be asked.
    """
    with asking("list the runtime images"):
        found = client.images(filters={"label": f"{LABEL_IMAGE}={IMAGE_FORMAT}"})
    listed = [_listed(image, name) for image in found for name in _names(image)]
    return sorted(listed, key=lambda image: (image.created, image.reference), reverse=True)


def _names(image: Mapping[str, Any]) -> list[str]:
    """Its names among ours; an empty one where it has none left."""
    names = [n for n in image.get("RepoTags") or () if n.startswith(f"{REPOSITORY}/")]
    return names or [""]


def _listed(image: Mapping[str, Any], name: str) -> ListedImage:
    labels = image.get("Labels") or {}
    return ListedImage(
        id=image["Id"],
        reference=name,
        base=labels.get(LABEL_BASE, ""),
        size_bytes=image.get("Size", 0),
        created=datetime.fromtimestamp(image.get("Created", 0), UTC),
        versions=_versions(labels),
        fingerprint=labels.get(LABEL_CELL_PROGRAMS, ""),
    )


def _versions(labels: Mapping[str, str]) -> Mapping[str, str]:
    """What the label says; empty where it is not a label as we write it."""
    try:
        versions = json.loads(labels.get(LABEL_VERSIONS, ""))
    except ValueError:
        return MappingProxyType({})
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        return MappingProxyType({})
    return MappingProxyType(versions)
