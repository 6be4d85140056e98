"""The connection to the Docker engine: the real SDK, over an engine that fails as it is told."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError

from unit.docker_daemon import Daemon, serving, sockets_forgotten
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import (
    LOWEST_API_VERSION,
    DockerEngine,
    Missing,
    Unreachable,
    asking,
    connect,
    remove,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with serving(Daemon(tmp_path / "docker.sock")) as daemon:
        yield daemon


@contextlib.contextmanager
def client_of(daemon: Daemon, timeout_s: float = 5.0) -> Iterator[docker.APIClient]:
    with contextlib.closing(connect(daemon.host, timeout_s)) as client:
        yield client


@contextlib.contextmanager
def engine_of(daemon: Daemon, threads: int = 2) -> Iterator[DockerEngine]:
    with contextlib.closing(DockerEngine(daemon.host, threads)) as engine:
        yield engine


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:2375",
        "http://127.0.0.1:2375",
        "https://docker.example:2376",
        "ssh://docker.example",
        "npipe:////./pipe/docker_engine",
        "fd://",
        "unix://docker.sock",
        "unix:/run/docker.sock",
        "/run/docker.sock",
        "",
    ],
)
def test_only_a_unix_socket_is_spoken_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "APIClient", None)  # not even asked
    with pytest.raises(SandboxFailure, match="is not a Unix socket"):
        connect(address)


def test_where_nobody_listens_the_reason_is_told(tmp_path: Path) -> None:
    with sockets_forgotten(), socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        with pytest.raises(Unreachable, match="No such file or directory"):
            connect(f"unix://{tmp_path}/none.sock")
        with pytest.raises(Unreachable, match="Connection refused"):
            connect(f"unix://{tmp_path}/deaf.sock")


@pytest.mark.parametrize("version", ["1.39", "1.24", "1.9", "1.3"])
def test_an_engine_that_is_too_old_is_refused(daemon: Daemon, version: str) -> None:
    daemon.api_version = version
    with pytest.raises(SandboxFailure, match=r"1\.\d+"):
        connect(daemon.host)


@pytest.mark.parametrize("version", [LOWEST_API_VERSION, "1.100", "2.0"])
def test_newer_engines_are_taken(daemon: Daemon, version: str) -> None:
    daemon.api_version = version
    with client_of(daemon) as client:
        assert client.api_version == version


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, SandboxFailure), (404, Missing), (409, SandboxFailure), (500, SandboxFailure)],
)
def test_a_refusal_names_the_step_and_what_the_engine_said(
    daemon: Daemon, status: int, kind: type[SandboxFailure]
) -> None:
    daemon.faults["GET", "/info"] = status
    refused = pytest.raises(kind, match=f"it is a {status}")
    with client_of(daemon) as client, refused as caught, asking("do this"):
        client.info()
    assert type(caught.value) is kind
    assert caught.value.step == "do this"


def test_a_silent_engine_is_not_waited_for_for_ever(daemon: Daemon) -> None:
    daemon.faults["GET", "/info"] = "silence"
    refused = pytest.raises(Unreachable, match="does not answer in time")
    with client_of(daemon, timeout_s=0.1) as client, refused, asking("do this"):
        client.info()


@pytest.mark.parametrize("fault", ["silence", "hang up", 500])
def test_an_engine_that_does_not_tell_its_version_is_out_of_reach(
    daemon: Daemon, fault: int | str
) -> None:
    daemon.faults["GET", "/version"] = fault
    with pytest.raises(Unreachable, match="reach the Docker engine"):
        connect(daemon.host, timeout_s=0.1)


def test_a_closed_socket_is_no_answer(daemon: Daemon) -> None:
    daemon.faults["GET", "/info"] = "hang up"
    with client_of(daemon) as client, pytest.raises(Unreachable), asking("do this"):
        client.info()


def test_what_an_engine_says_is_cut() -> None:
    with pytest.raises(SandboxFailure) as caught, asking("do this"):
        raise APIError("x" * 10_000)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("status", [404, 409])
def test_removing_what_is_gone_or_going_is_no_error(daemon: Daemon, status: int) -> None:
    daemon.faults["DELETE", "/containers/c"] = status
    with client_of(daemon) as client:
        remove(client, "c")
    _, _, query = daemon.asked[-1]
    assert (query["v"], query["force"]) == ("True", "True")


def test_removing_fails_where_the_engine_cannot(daemon: Daemon) -> None:
    daemon.faults["DELETE", "/containers/c"] = 500
    refused = pytest.raises(SandboxFailure, match="it is a 500")
    with client_of(daemon) as client, refused, asking("remove"):
        remove(client, "c")


def test_no_more_calls_are_under_way_than_told(daemon: Daemon) -> None:
    async def scenario(engine: DockerEngine) -> None:
        answers = await asyncio.gather(*(engine.info() for _ in range(20)))
        assert answers == [{"Name": "here"}] * 20

    daemon.info = {"Name": "here"}
    with engine_of(daemon, threads=3) as engine:
        asyncio.run(scenario(engine))
    assert daemon.most_under_way <= 3
    assert daemon.paths("GET").count("/version") <= 3, "a client for each thread"


def test_a_caller_that_is_cancelled_does_not_stop_its_call(daemon: Daemon) -> None:
    began, may_end, ended = (threading.Event() for _ in range(3))

    def work(_client: docker.APIClient) -> None:
        began.set()
        may_end.wait(5)
        ended.set()

    async def scenario(engine: DockerEngine) -> None:
        task = asyncio.create_task(engine.ask("do this", work))
        assert await asyncio.to_thread(began.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_end.set()

    with engine_of(daemon) as engine:
        asyncio.run(scenario(engine))
    assert ended.is_set()


def test_a_closed_connection_says_so(daemon: Daemon) -> None:
    async def scenario(engine: DockerEngine) -> None:
        await engine.info()
        engine.close()
        engine.close()
        with pytest.raises(Unreachable, match="is closed"):
            await engine.info()

    with engine_of(daemon) as engine:
        asyncio.run(scenario(engine))


def test_an_engine_that_comes_back_is_used_again(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "docker.sock")

    async def scenario(engine: DockerEngine) -> None:
        with pytest.raises(Unreachable):
            await engine.info()
        for _ in range(2):
            with serving(daemon):
                await engine.info()
        with pytest.raises(Unreachable):
            await engine.info()

    with sockets_forgotten(), engine_of(daemon, threads=1) as engine:
        asyncio.run(scenario(engine))


class EndsMeanwhile:
    """A client whose container ends between the daemon's look and its kill, so often."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked = 0

    def remove_container(self, name: str, v: bool, force: bool) -> None:
        self.asked += 1
        if self.asked <= self._times:
            raise APIError(f"could not kill {name}: Container {name} is not running")


def test_a_container_that_ends_as_it_is_killed_is_removed_all_the_same() -> None:
    client = EndsMeanwhile(times=1)
    remove(client, "c")
    assert client.asked == 2


def test_a_container_that_is_never_said_to_have_ended_is_told_of() -> None:
    client = EndsMeanwhile(times=9)
    with pytest.raises(APIError, match="is not running"):
        remove(client, "c")
    assert client.asked == 2
