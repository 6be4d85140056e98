"""A request has no say over containers, whichever way it comes in.

What a container is given is the deployment's. A field that asks for another is refused by
its name, before anything is made, and nothing that does get in reaches the daemon.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from docker.errors import NotFound
from websockets.sync.client import connect

from bench.docker_engine import DockerEngineProcess
from vibecell.sandbox.docker.image import RuntimeImage

from .crashes_service import LiveService, serving, until
from .test_websocket import hear, say

SECRET = "PRIVILEGED_BY_REQUEST"
FIELDS = {
    "docker": {"privileged": True},
    "HostConfig": {"Privileged": True, "Binds": ["/:/host"]},
    "image": "debian:latest",
    "privileged": True,
    "runtime": "second-runc",
    "mounts": [{"source": "/", "target": "/host"}],
    "volumes": ["/:/host"],
    "cap_add": ["ALL"],
    "security_opt": ["seccomp=unconfined"],
    "network_mode": "host",
    "pid_mode": "host",
    "devices": ["/dev/vda"],
    "User": "0:0",
    "container_user": "0:0",
    "container": "vibecell-0123456789abcdef",
    "labels": {"io.vibecell.owner": "0" * 32},
    "backend": "bubblewrap",
    "wall": "shared",
    "place": "",
    "profile": "probe",
    "cpus": 64,
}
Ask = Callable[[LiveService, dict[str, Any]], tuple[int, str]]


@pytest.fixture(scope="module")
def service(
    docker_engine: DockerEngineProcess, docker_image: RuntimeImage
) -> Iterator[LiveService]:
    """One over containers, for all that is asked here."""
    with serving(
        uid_base=1_973_000_000,
        backend="docker",
        docker_host=docker_engine.host,
        pool_min_idle="0",
        pool_max_idle="2",
    ) as service:
        yield service
        assert service.stop() == 0


def by_execute(service: LiveService, body: dict[str, Any]) -> tuple[int, str]:
    answer = requests.post(f"{service.url}/execute", json=body, timeout=30)
    return answer.status_code, answer.text


def by_executions(service: LiveService, body: dict[str, Any]) -> tuple[int, str]:
    answer = requests.post(
        f"{service.url}/v1/executions", json=body, headers={"Prefer": "wait=20"}, timeout=30
    )
    return answer.status_code, answer.text


def by_websocket(service: LiveService, body: dict[str, Any]) -> tuple[int, str]:
    address = service.url.replace("http://", "ws://") + "/v1/executions/stream"
    with connect(address, proxy=None) as websocket:
        say(websocket, type="execute", **body)
        first = hear(websocket)
        if first["type"] == "error":
            return int(first["problem"]["status"]), json.dumps(first)
        while first["type"] != "finished":
            first = hear(websocket, 30)
        return 200, json.dumps(first)


WAYS = [by_execute, by_executions, by_websocket]


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("name", FIELDS)
def test_what_a_container_is_given_cannot_be_asked_for(
    service: LiveService, ask: Ask, name: str
) -> None:
    status, told = ask(service, {"code": "print(1)", name: FIELDS[name]})
    assert status == 422, told
    assert name in told


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("name", ["limits", "files", "request_class", "env"])
def test_nor_from_within_what_may_be_asked_for(service: LiveService, ask: Ask, name: str) -> None:
    hidden: dict[str, Any] = {
        "limits": {"privileged": True, "memory_bytes": 1 << 26},
        "files": [{"path": "a", "content": "", "mount": "/"}],
        "request_class": "docker",
        "env": {"A": {"HostConfig": {"Privileged": True}}},
    }
    status, told = ask(service, {"code": "print(1)", name: hidden[name]})
    assert status == 422, told


@pytest.mark.parametrize("ask", WAYS)
def test_what_a_program_brings_does_not_reach_the_daemon(
    service: LiveService, docker_engine: DockerEngineProcess, ask: Ask
) -> None:
    body = {
        "code": f"import os, time\ntime.sleep(1.5)\nprint(os.environ['{SECRET}'])",
        "env": {SECRET: SECRET, "DOCKER_HOST": docker_engine.host},
        "args": [SECRET],
        "files": [{"path": f"{SECRET}.txt", "content": SECRET}],
        "user": SECRET,
    }
    described = []
    with (
        ThreadPoolExecutor(1) as threads,
        contextlib.closing(docker_engine.client()) as client,
    ):
        answer = threads.submit(ask, service, body)
        # one that waits for its container counts as running, too
        assert until(lambda: service.count("pool.python-light.in_use"))
        for listed in client.containers(all=True):
            with contextlib.suppress(NotFound):  # of the one before: it goes
                described.append(json.dumps(client.inspect_container(listed["Id"])))
        status, told = answer.result()
    assert status == 200 and SECRET in told, told
    assert described, "that of the program is there"
    assert [text for text in described if SECRET in text] == []
    assert all('"Privileged": false' in text for text in described)
