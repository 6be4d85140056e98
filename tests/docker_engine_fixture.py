"""A Docker engine of the tests' own, and the images that containers are made of.

Owns the fixtures; refuses the engine of the machine. Images are kept beside the
state directory of the tests, so that a later run finds them made.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.case import NotHad
from bench.docker_base import base_image
from bench.docker_engine import SYSTEM_PATH, DockerEngineProcess, Runtime, running
from bench.docker_image import CALL_DEADLINE_S, runtime_image, state_directory
from host import lacking
from vibecell.cli.composition.image_spec import image_spec
from vibecell.config import Settings
from vibecell.languages.catalogue import describe
from vibecell.sandbox.docker.client import connect
from vibecell.sandbox.docker.image import RuntimeImage, list_images
from vibecell.sandbox.images.rootfs_contents import ImageSpec

STAGES_KEPT = "168h"  # they make the next build fast, and grow with each change of it
COLD_START_S = 900  # the first run makes the base image and downloads the packages


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time includes that of the fixtures which it is the first to ask for."""
    for item in items:
        asked = getattr(item, "fixturenames", ())
        if "docker_host" in asked and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(COLD_START_S))


@pytest.fixture(scope="session")
def docker_state(settings: Settings) -> Path:
    """Where engines keep their images, base images their archives, and pip its wheels."""
    return state_directory(settings)


@pytest.fixture(scope="session")
def docker_engine(docker_state: Path) -> Iterator[DockerEngineProcess]:
    """One engine for the whole run; a test that ends it starts it again."""
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(running(docker_state, _runtimes()))
        except NotHad as error:
            lacking(str(error))
        yield engine


def _runtimes() -> dict[str, Runtime]:
    """One more that does what the default does, and one that gives a cell too little."""
    found = {
        "second-runc": ("runc", []),
        "runsc": ("runsc", ["--platform=ptrace", "--network=none", "--ignore-cgroups"]),
    }
    return {
        name: {"path": place, "runtimeArgs": arguments}
        for name, (program, arguments) in found.items()
        if (place := shutil.which(program, path=SYSTEM_PATH))
    }


@pytest.fixture(scope="session")
def docker_host(docker_engine: DockerEngineProcess) -> str:
    """Where it listens: ``unix:///…``."""
    return docker_engine.host


@pytest.fixture(scope="session")
def docker_base(docker_host: str, docker_state: Path) -> str:
    """The reference of a base image that needed no registry."""
    with contextlib.closing(connect(docker_host, CALL_DEADLINE_S)) as client:
        try:
            return base_image(client, docker_state)
        except NotHad as error:
            lacking(str(error))


@pytest.fixture(scope="session")
def docker_spec(settings: Settings) -> ImageSpec:
    """What a runtime image holds."""
    return image_spec(describe(), settings.program_path)


@pytest.fixture(scope="session")
def docker_image(
    docker_host: str, docker_base: str, docker_spec: ImageSpec, docker_state: Path
) -> RuntimeImage:
    """The runtime image of this version; those of others are removed, and old stages."""
    with contextlib.closing(connect(docker_host, CALL_DEADLINE_S)) as client:
        built = runtime_image(client, docker_state, docker_spec, print)
        for image in list_images(client):
            if image.id != built.id:
                client.remove_image(image.id, force=True)
        client.prune_images({"dangling": True, "until": STAGES_KEPT})
        return built
