"""``docker run --rm``: what most people write who want a container for every program.

Owns the two ways of doing it: the command, and where that is missing or does not get on with
the engine, the calls that it makes. The second has no process to start and no streams to
attach, so it is the faster one. Refuses to hide which it was.

Source: Docker Engine API v1.41, "Container"
"""

import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import docker
import requests

from bench.case import BenchFailed
from bench.ways import Lacking, docker_command, program

DEADLINE_S = 60
COMMAND, CALLS = "the command docker run --rm", "the calls create, start, wait, logs, remove"


@dataclass(frozen=True, slots=True)
class DockerRun:
    """Runs a Python program in a container of its own, to its end.

    Attributes:
        how: which way that is, in words.
        run: what the program printed; raises ``BenchFailed`` where it did not end well.
    """

    how: str
    run: Callable[[str], str]

    @classmethod
    def choose(cls, host: str, image: str) -> "DockerRun":
        """The command if it works with this engine, else the calls.

        Args:
            host: the engine, as ``DOCKER_HOST`` has it.
            image: must have ``python3``.

        Raises:
            BenchFailed: neither works.
        """
        try:
            command = cls(COMMAND, lambda code: _by_command(host, image, code))
            command.run("print(42)")
        except (BenchFailed, Lacking):
            calls = cls(CALLS, lambda code: _by_calls(host, image, code))
            calls.run("print(42)")
            return calls
        return command


def _by_command(host: str, image: str, code: str) -> str:
    done = subprocess.run(
        docker_command(program("docker"), image, code, "--host", host),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailed(f"docker run: {done.stderr.strip()[-300:]}")
    return done.stdout


def _by_calls(host: str, image: str, code: str) -> str:
    try:
        client = docker.APIClient(base_url=host, version="auto", timeout=DEADLINE_S)
        with contextlib.closing(client):
            container = client.create_container(
                image,
                command=["-c", code],
                entrypoint=["python3"],
                host_config=client.create_host_config(network_mode="none"),
            )["Id"]
            try:
                client.start(container)
                status = client.wait(container)["StatusCode"]
                printed: bytes = client.logs(container, stdout=True, stderr=False)
            finally:
                client.remove_container(container, v=True, force=True)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise BenchFailed(f"a container cannot be run: {error}") from error
    if status != 0:
        raise BenchFailed(f"a container's program ended with status {status}")
    return printed.decode()
