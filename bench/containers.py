"""What the cases of containers share: an engine with the runtime image, and services over it.

Owns the one engine of a case; refuses the machine's own engine, whose containers and images
are somebody's. Where none can be had the case says so.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bench import docker_engine
from bench.account import Account, own_cgroup
from bench.case import Bench
from bench.contender import launcher
from bench.docker_image import CALL_DEADLINE_S, runtime_image, state_directory
from bench.docker_run import DockerRun
from bench.vibecell_service import VibecellContender, running
from vibecell.cli.composition.image_spec import image_spec
from vibecell.languages.catalogue import describe
from vibecell.model.capabilities import Wall
from vibecell.model.language import DEFAULT_IMAGE
from vibecell.sandbox.docker.client import Missing, connect
from vibecell.sandbox.docker.container import PROFILE_LABEL
from vibecell.sandbox.docker.image import find
from vibecell.sandbox.images.rootfs_contents import cell_fingerprint

# two services at once, and neither may know the other's uids
UID_BASE = 1_960_000_000
_BUILT: set[str] = set()  # an image of an earlier run may be of other packages


@dataclass(frozen=True, slots=True)
class Containers:
    """A Docker engine that has the runtime image.

    Attributes:
        host: where it listens, as ``DOCKER_HOST`` has it.
        image: id of the runtime image.
        account: of all its processes and containers.
    """

    host: str
    image: str
    account: Account

    @contextlib.contextmanager
    def service(self, bench: Bench, wall: Wall, **settings: str) -> Iterator[VibecellContender]:
        """Vibecell with this engine's containers as walls.

        The engine's processor time is counted as the service's.
        """
        chosen = {
            "backend": "docker",
            "wall": wall,
            "docker_host": self.host,
            "uid_base": str(UID_BASE),
            **settings,
        }
        with running(bench, **chosen) as service:
            yield replace(service, name=f"docker {wall}", helpers=(self.account,))

    def docker_run(self) -> DockerRun:
        """What runs a program by a container of the same image; raises ``BenchFailed``."""
        return DockerRun.choose(self.host, self.image)

    def processes_of(self, profile: str) -> dict[str, int]:
        """The first process of each container of a warm profile, by the container's id."""
        with contextlib.closing(connect(self.host, CALL_DEADLINE_S)) as client:
            found = client.containers(filters={"label": f"{PROFILE_LABEL}={profile}"})
            ids = [str(entry["Id"]) for entry in found]
            return {each: int(client.inspect_container(each)["State"]["Pid"]) for each in ids}


@contextlib.contextmanager
def containers(bench: Bench) -> Iterator[Containers]:
    """An engine of our own with the runtime image in it; images are kept for the next run.

    Raises:
        NotHad: this host cannot have one; says what it lacks.
    """
    state = state_directory(bench.settings)
    with own_cgroup() as cgroup, docker_engine.running(state, launcher=launcher(cgroup)) as engine:
        with contextlib.closing(connect(engine.host, CALL_DEADLINE_S)) as client:
            image = _image(client, bench, state)
        account = Account.of(engine.pid, cgroup, engine.containers_cgroup)
        yield Containers(engine.host, image, account)


def _image(client: docker.APIClient, bench: Bench, state: Path) -> str:
    """The id of the runtime image; its build is gone through once in a run of the benchmark."""
    spec = image_spec(describe(), bench.settings.program_path)
    with contextlib.suppress(Missing):
        found = find(client, DEFAULT_IMAGE, cell_fingerprint(spec)).id
        if found in _BUILT:
            return found
    built = runtime_image(client, state, spec, bench.say)
    _BUILT.add(built.id)
    return built.id
