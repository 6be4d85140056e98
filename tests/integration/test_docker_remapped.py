"""A Docker engine that remaps uids: nobody in a container is anybody of the host's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.case import NotHad
from bench.docker_engine import DockerEngineProcess, running
from bench.docker_image import CALL_DEADLINE_S, runtime_image
from host import lacking
from vibecell.sandbox.docker.client import connect
from vibecell.sandbox.docker.container import PROFILE_LABEL
from vibecell.sandbox.images.rootfs_contents import ImageSpec

from .crashes_service import processes, serving, until

pytestmark = pytest.mark.timeout(300)
SETTLE_S = 30.0
REMAPPED = {"userns-remap": "default"}
WHO = "import os; print(os.getuid(), open('/proc/self/uid_map').read().split())"


@pytest.fixture(scope="module")
def engine(docker_state: Path, docker_spec: ImageSpec) -> Iterator[DockerEngineProcess]:
    """Another engine than that of the other tests: its images belong to other uids."""
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(running(docker_state / "remapped", options=REMAPPED))
        except NotHad as error:
            lacking(str(error))
        client = stack.enter_context(contextlib.closing(connect(engine.host, CALL_DEADLINE_S)))
        runtime_image(client, docker_state, docker_spec, print)
        yield engine


@pytest.mark.parametrize("wall", ["fresh", "shared"])
def test_cells_run_under_uids_of_nobody(engine: DockerEngineProcess, wall: str) -> None:
    with serving(
        uid_base=1_974_000_000, backend="docker", wall=wall, docker_host=engine.host
    ) as service:
        answer = service.run(WHO)
        assert answer["output"] == "1000 ['1000', '0', '1']\n", answer
        spent = service.run("x = bytearray(b'x' * (600 << 20))")
        assert spent["verdict"] == "memory_limit_exceeded"
        assert _lowest_uid_of_interpreters() >= 65_536
        assert service.stop() == 0
    with contextlib.closing(engine.client()) as client:
        assert client.containers(all=True) == []


def test_fresh_containers_have_users_of_their_own(engine: DockerEngineProcess) -> None:
    with (
        serving(
            uid_base=1_974_000_000,
            backend="docker",
            wall="fresh",
            docker_host=engine.host,
            pool_min_idle="2",
        ) as service,
        contextlib.closing(engine.client()) as client,
    ):
        assert until(lambda: service.count("pool.python-light.ready") >= 2, SETTLE_S)
        found = client.containers(filters={"label": f"{PROFILE_LABEL}=python-light"})
        first = [client.inspect_container(each["Id"])["State"]["Pid"] for each in found]
        seen = processes()
        assert len(first) >= 2
        users = {seen[pid].uid for pid in first}
        assert len(users) == len(first) and min(users) >= 65_536, users
        assert service.stop() == 0


def _lowest_uid_of_interpreters() -> int:
    """Of every zygote and agent in a container: no other process here has such a command."""
    uids = [p.uid for p in processes().values() if p.command.startswith("python3 main.py")]
    assert uids
    return min(uids)
