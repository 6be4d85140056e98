"""What the cases of containers share: an engine with the runtime image, and services over it.

Owns the one engine of a case, and waiting until a service has come to rest; refuses the
machine's own engine, whose containers and images are somebody's. Where none can be had the
case says so.
"""

import contextlib
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bench import docker_engine
from bench.account import Account, own_cgroup
from bench.case import Bench, BenchFailed
from bench.contender import Contender, launcher
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

REST_DEADLINE_S = 60.0
# two services at once, and neither may know the other's uids
UID_BASE = 1_960_000_000
_POLL_S = 0.02
_BUILT: set[str] = set()  # an image of an earlier run may be of other packages
_COUNT = re.compile(r'^vibecell_engine\{count="([^"]+)"\} (\S+)$', re.MULTILINE)
# of a profile, in the default place or in another; the last part of a count is left off
_POOL = re.compile(r"(?:[a-z0-9-]+\.)?pool\.[^.]+")


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


def counts(service: Contender) -> dict[str, int]:
    """The engine's counts, as ``/metrics`` has them."""
    host, port = service.address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        return counts_in(answer.read().decode())


def counts_in(metrics: str) -> dict[str, int]:
    """The engine's counts, by name, in the text of ``/metrics``."""
    return {name: int(float(value)) for name, value in _COUNT.findall(metrics)}


def is_at_rest(found: Mapping[str, int], in_use: int = 0) -> bool:
    """Whether every pool is full and nothing is being made, taken down or waited for.

    Args:
        found: the engine's counts.
        in_use: cells whose programs run on.
    """
    pools: dict[str, dict[str, int]] = {}
    for name, value in found.items():
        pool, _, what = name.rpartition(".")
        if _POOL.fullmatch(pool):
            pools.setdefault(pool, {})[what] = value
    busy = ("making", "waiting", "ending")
    return (
        bool(pools)
        and all(pool["ready"] >= pool["target"] for pool in pools.values())
        and not any(pool.get(what) for pool in pools.values() for what in busy)
        and sum(pool["in_use"] for pool in pools.values()) <= in_use
    )


def until_rest(service: Contender, in_use: int = 0) -> float:
    """Wait until the service is at rest; how long it took, in seconds.

    Args:
        service: a Vibecell.
        in_use: as ``is_at_rest`` has it.

    Raises:
        BenchFailed: it is not, in time.
    """
    began_s = time.monotonic()
    while not is_at_rest(found := counts(service), in_use):
        if time.monotonic() - began_s > REST_DEADLINE_S:
            raise BenchFailed(f"{service.name} does not come to rest: {found}")
        time.sleep(_POLL_S)
    return time.monotonic() - began_s
