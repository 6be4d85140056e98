"""The runtime image in a Docker engine of our own, for tests and for the benchmark.

Owns where what lasts of such engines lies, and the one way by which the image comes
into them: on a base that needs no registry. Refuses to know what is in it.
"""

from collections.abc import Callable
from pathlib import Path

import docker

from bench.docker_base import base_image
from vibecell.config import Settings
from vibecell.model.language import DEFAULT_IMAGE
from vibecell.sandbox.docker.image import RuntimeImage
from vibecell.sandbox.docker.image_build import build
from vibecell.sandbox.images.rootfs_contents import ImageSpec

CALL_DEADLINE_S = 120.0  # of a client that builds


def state_directory(settings: Settings) -> Path:
    """Where engines keep their images, bases their archives and pip its wheels, between runs.

    Beside the state directory of the service, because it is of no use to one.
    """
    return settings.state_dir.with_name(f"{settings.state_dir.name}-test") / "docker"


def wheel_cache(state: Path) -> Path:
    """Where in that directory the downloaded packages lie."""
    return state / "wheels"


def runtime_image(
    client: docker.APIClient, state: Path, spec: ImageSpec, say: Callable[[str], None]
) -> RuntimeImage:
    """The default runtime image of this version, its base made first where that is not there.

    Args:
        client: of the engine that shall have it; calls need ``CALL_DEADLINE_S``.
        state: as ``state_directory`` has it.
        spec: what the image holds.
        say: told what goes on, a line at a time.

    Raises:
        NotHad: this host cannot make the base; says what it lacks.
        BenchFailed: the base cannot be made.
        SandboxFailure: the image cannot be built.
    """
    return build(
        client,
        name=DEFAULT_IMAGE,
        base=base_image(client, state),
        spec=spec,
        cache=wheel_cache(state),
        say=say,
    )
