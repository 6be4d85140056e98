"""Talking to the Docker engine: its control plane, and nothing else.

Owns the connection (a Unix socket), its deadlines and the translation of its
errors; refuses a daemon on the network, and every call that a running program
could have a part in: no exec, no attach, no archive. What a cell says goes
through its own socket and never through the daemon.

The SDK is synchronous, so calls are made in threads of their own, a few at a
time: a daemon that is slow makes its callers wait, not the engine. A call ends when
the daemon has been silent for ``CALL_DEADLINE_S``, and nobody waits longer than
``ANSWER_DEADLINE_S``, the turn before the call included.

Source: Docker Engine API v1.41, https://docs.docker.com/engine/api/v1.41/
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from vibecell.model.errors import SandboxFailure

CALL_DEADLINE_S = 20.0
ANSWER_DEADLINE_S = 60.0
LOWEST_API_VERSION = "1.41"  # Docker 20.10: the first with private cgroup namespaces
UNIX_SCHEME = "unix://"
_CONFLICT = 409
_HAS_ENDED = "is not running"
T = TypeVar("T")


class Unreachable(SandboxFailure):
    """The daemon did not answer at all, or not in time."""


class Missing(SandboxFailure):
    """The daemon does not have what was named."""


def connect(docker_host: str, timeout_s: float = CALL_DEADLINE_S) -> docker.APIClient:
    """A client of the daemon; contacts it once, for its version.

    Args:
        docker_host: ``unix:///…``, as in ``DOCKER_HOST``.
        timeout_s: of every call, until the next bytes of its answer.

    Raises:
        Unreachable: nobody answers there.
        SandboxFailure: the address is not of a Unix socket, or the daemon is too old.
    """
    if not docker_host.startswith(UNIX_SCHEME + "/"):
        raise SandboxFailure("find the Docker engine", f"{docker_host} is not a Unix socket")
    with asking("reach the Docker engine"):
        client = docker.APIClient(base_url=docker_host, version="auto", timeout=timeout_s)
    if _numbers(client.api_version) < _numbers(LOWEST_API_VERSION):
        client.close()
        said = f"it speaks API {client.api_version}, older than {LOWEST_API_VERSION}"
        raise SandboxFailure("reach the Docker engine", said)
    return client


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@contextlib.contextmanager
def asking(step: str) -> Iterator[None]:
    """Translate what the SDK raises while ``step`` is done.

    Raises:
        Unreachable, Missing, SandboxFailure: as they say; names the step.
    """
    try:
        yield
    except NotFound as error:
        raise Missing(step, _explanation(error)) from error
    except APIError as error:
        raise SandboxFailure(step, _explanation(error)) from error
    except (requests.exceptions.RequestException, DockerException, OSError) as error:
        raise Unreachable(step, _reason(error)) from error


def _explanation(error: APIError) -> str:
    return str(error.explanation or error)[:500]


def _reason(error: BaseException) -> str:
    """What is beneath the library's layers: "No such file or directory"."""
    reason: BaseException = error
    while (inner := reason.__context__ or reason.__cause__) is not None:
        reason = inner
    if isinstance(reason, TimeoutError | requests.exceptions.Timeout):
        return "the Docker engine does not answer in time"
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"the Docker engine cannot be reached: {said[:300]}"


class DockerEngine:
    """The daemon, asked from a coroutine.

    Args:
        docker_host: ``unix:///…``.
        threads: calls under way at once; more wait for their turn.
    """

    def __init__(self, docker_host: str, threads: int) -> None:
        self._docker_host = docker_host
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="docker")
        self._own = threading.local()
        self._clients: list[docker.APIClient] = []

    def _client(self) -> docker.APIClient:
        """The client of this thread: a session is not made to be shared."""
        client: docker.APIClient | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = connect(self._docker_host)
            self._clients.append(client)
        return client

    def submit(self, step: str, work: Callable[[docker.APIClient], T]) -> "Future[T]":
        """Have ``work`` done in a thread; its failure names ``step``.

        Raises:
            Unreachable: there is no connection any more.
        """

        def call() -> T:
            client = self._client()
            with asking(step):
                return work(client)

        try:
            return self._threads.submit(call)
        except RuntimeError as error:  # its threads have been told to end
            raise Unreachable(step, "the connection to the Docker engine is closed") from error

    async def ask(self, step: str, work: Callable[[docker.APIClient], T]) -> T:
        """Wait for ``work``, which goes on once it has begun, whoever waits no longer.

        Raises:
            Unreachable, Missing, SandboxFailure: as ``asking`` has it.
        """
        return await self.answer(step, self.submit(step, work))

    async def answer(self, step: str, work: "Future[T]") -> T:
        """Wait for what was submitted; work that has not begun by then is not done.

        Raises:
            Unreachable, Missing, SandboxFailure: as ``asking`` has it.
        """
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                return await asyncio.wrap_future(work)
        except TimeoutError as error:
            raise Unreachable(step, "the Docker engine is too slow") from error

    async def info(self) -> dict[str, Any]:
        """What ``docker info`` tells."""
        found: dict[str, Any] = await self.ask("reach the Docker engine", lambda c: c.info())
        return found

    def close(self) -> None:
        """Take no more calls; wait for those under way; idempotent."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        while self._clients:
            self._clients.pop().close()


def remove(client: docker.APIClient, name: str) -> None:
    """Kill and remove a container; one that is gone, or going, is no error.

    Raises:
        docker.errors.APIError: the daemon cannot.
    """
    try:
        _remove(client, name)
    except APIError as error:
        if _HAS_ENDED not in str(error):
            raise
        # it ended by itself between the daemon's look and its kill: the next look sees that
        _remove(client, name)


def _remove(client: docker.APIClient, name: str) -> None:
    try:
        client.remove_container(name, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != _CONFLICT:  # it is being removed already
            raise
