"""A real service whose cells are containers of a real Docker engine.

The engine of the tests is ended, killed, frozen and started again under it: what
that took with it ends with a result, everybody else is served, and nothing stays.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from bench.docker_engine import DockerEngineProcess
from bench.websocket import WebSocket, events_of
from host import lacking
from vibecell.languages.catalogue import describe
from vibecell.model.stopping import ENGINE_KILL_S
from vibecell.sandbox.docker.container import OWNER_LABEL, PROFILE_LABEL
from vibecell.sandbox.docker.image import LABEL_VERSIONS, RuntimeImage

from .crashes_service import SOURCES, LiveService, processes, serving, until

SETTLE_S = 20.0
UIDS = 1_970_000_000
SLEEPER = "import time\nprint('begun', flush=True)\ntime.sleep({seconds})\nprint('ended')"
# whoever owns the label of a former engine owns its containers
FOREIGN_LABEL = {OWNER_LABEL: "0" * 32}


@pytest.fixture
def engine(
    docker_engine: DockerEngineProcess, docker_image: RuntimeImage
) -> Iterator[DockerEngineProcess]:
    """The engine with its runtime image, running again after every test."""
    yield docker_engine
    if not docker_engine.answers():
        docker_engine.restart()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads


@contextlib.contextmanager
def containers_service(engine: DockerEngineProcess, **settings: str) -> Iterator[LiveService]:
    """A service over this engine, with small pools."""
    chosen = {"pool_min_idle": "1", "pool_max_idle": "6", **settings}
    with serving(uid_base=UIDS, backend="docker", docker_host=engine.host, **chosen) as service:
        yield service


def containers(engine: DockerEngineProcess, service: LiveService | None = None) -> list[Any]:
    """Its containers, or those of one service."""
    filters = {}
    if service is not None:
        token = (service.run_dir / "containers" / "owner").read_text()
        filters = {"label": f"{OWNER_LABEL}={token}"}
    with contextlib.closing(engine.client()) as client:
        found: list[Any] = client.containers(all=True, filters=filters)
        return found


def begun(service: LiveService, pool: ThreadPoolExecutor, seconds: int) -> "Future[dict[str, Any]]":
    """A program that is known to run."""
    answer = pool.submit(service.run, SLEEPER.format(seconds=seconds))
    assert until(lambda: service.count("running") >= 1 or answer.done())
    time.sleep(0.5)
    return answer


def command(
    engine_host: str, run_dir: Path, *words: str, backend: str = "docker", **settings: str
) -> subprocess.CompletedProcess[str]:
    """``vibecell`` with a backend, to its end."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(SOURCES),
        "VIBECELL_DOCKER_HOST": engine_host,
        "VIBECELL_RUN_DIR": str(run_dir),
        **{f"VIBECELL_{k.upper()}": v for k, v in settings.items()},
    }
    return subprocess.run(
        [sys.executable, "-m", "vibecell.cli.main", *words, "--backend", backend],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_language_runs_in_a_container_and_nothing_stays(
    engine: DockerEngineProcess,
) -> None:
    with containers_service(engine) as service:
        programs = {"python": "print(6*7)", "javascript": "console.log(42)", "bash": "echo 42"}
        for language, code in programs.items():
            answer = service.run(code, language=language)
            assert (answer["verdict"], answer["output"]) == ("accepted", "42\n"), answer
        assert service.run("import numpy\nprint(numpy.arange(4).sum())")["output"] == "6\n"
        assert containers(engine, service)
        assert service.stop() == 0
    assert containers(engine) == []


@pytest.mark.parametrize("backend", ["bubblewrap", "docker"])
def test_a_strict_umask_shuts_nobody_out(engine: DockerEngineProcess, backend: str) -> None:
    with serving(
        uid_base=UIDS,
        umask=0o077,
        backend=backend,
        docker_host=engine.host,
    ) as service:
        assert service.run("print(42)")["output"] == "42\n"
        assert service.stop() == 0


def test_a_burst_is_served_whole_and_told_where_it_waits(
    engine: DockerEngineProcess, pool: ThreadPoolExecutor
) -> None:
    with containers_service(engine, max_concurrent="12") as service:
        seen: list[dict[str, Any]] = []

        def watch() -> None:
            host, _, port = service.url.removeprefix("http://").partition(":")
            with WebSocket((host, int(port)), "/v1/executions/stream", {}) as socket:
                seen.extend(events_of(socket, {"language": "python", "code": "print('seen')"}))

        answers = [pool.submit(service.run, f"print({n} * 11)") for n in range(30)]
        time.sleep(0.3)
        watching = threading.Thread(target=watch)
        watching.start()
        for n, answer in enumerate(answers):
            assert answer.result(60)["output"] == f"{n * 11}\n", answer.result()
        watching.join(60)
        assert seen[-1]["result"]["verdict"] == "accepted"
        positions = [event["position"] for event in seen if event["type"] == "queued"]
        assert positions, "it waited, and was not told"
        assert until(lambda: service.count("pool.python-light.ready") >= 1, SETTLE_S)
        assert service.stop() == 0


def ended(engine: DockerEngineProcess, since_s: float) -> dict[str, str]:
    """Containers that have died since then, or went without having run: the profile by id."""
    filters = {"type": "container", "event": ["die", "destroy"]}
    with contextlib.closing(engine.client()) as client:
        told = client.events(since=since_s, until=time.time(), filters=filters, decode=True)
        return {
            event["Actor"]["ID"]: event["Actor"]["Attributes"].get(PROFILE_LABEL, "")
            for event in told
        }


def test_places_leave_each_others_containers_alone(engine: DockerEngineProcess) -> None:
    places = {
        # this one has a container before the next is opened, and looks for what was left
        "scripts": {"backend": "docker", "wall": "shared", "languages": ["javascript"]},
        "strict": {"backend": "docker", "wall": "fresh", "languages": ["bash"]},
    }
    since_s = time.time()
    with serving(
        uid_base=UIDS,
        docker_host=engine.host,
        places=json.dumps(places),
        pool_min_idle="1",
        pool_max_idle="8",
    ) as service:
        pools = ("strict.pool.shell.ready", "scripts.pool.node.ready")
        for pool in pools:
            assert until(lambda pool=pool: service.count(pool) >= 1, SETTLE_S), pool
        waiting = {found["Id"] for found in containers(engine, service)}
        assert len(waiting) == len(pools), "one that is fresh, and one that is shared"
        assert set(ended(engine, since_s).values()) == {"probe"}
        assert service.run("echo 42", language="bash")["output"] == "42\n"
        assert service.run("console.log(42)", language="javascript")["output"] == "42\n"
        # but for the one that was used up, if it has ended by now
        used = [x for x in ended(engine, since_s).values() if x != "probe"]
        assert used in ([], ["shell"])
        assert service.stop() == 0


def test_an_engine_that_restarts_ends_what_ran_and_nothing_else(
    engine: DockerEngineProcess, pool: ThreadPoolExecutor
) -> None:
    with containers_service(engine) as service:
        answer = begun(service, pool, 60)
        engine.restart()
        lost = answer.result(30)
        assert (lost["verdict"], lost["output"]) == ("internal_error", "begun\n")
        for n in range(3):
            assert service.run(f"print({n})")["output"] == f"{n}\n"
        assert service.stop() == 0
    assert containers(engine) == []


def test_pools_are_filled_again_after_a_restart_though_nobody_asks(
    engine: DockerEngineProcess,
) -> None:
    with containers_service(engine) as service:
        pool = "pool.python-light.ready"
        assert until(lambda: service.count(pool) >= 1, SETTLE_S)
        before = {found["Id"] for found in containers(engine, service)}
        engine.restart()

        def rebuilt() -> bool:
            there = containers(engine, service)
            profiles = [x["Labels"][PROFILE_LABEL] for x in there if x["State"] == "running"]
            return (
                "python-light" in profiles
                and not before & {found["Id"] for found in there}
                and service.count(pool) >= 1
            )

        assert until(rebuilt, SETTLE_S), (before, containers(engine, service))
        assert service.run("print(42)")["output"] == "42\n"
        assert service.stop() == 0


def test_an_engine_that_was_killed_is_waited_for(
    engine: DockerEngineProcess, pool: ThreadPoolExecutor
) -> None:
    """Its containers go on without it; who needs a new one waits until it is back."""
    with containers_service(engine) as service:
        running = begun(service, pool, 4)
        engine.kill()
        waiting = [pool.submit(service.run, f"print({n})") for n in range(6)]
        assert running.result(30)["output"] == "begun\nended\n"
        engine.start()
        for n, answer in enumerate(waiting):
            assert answer.result(60)["output"] == f"{n}\n", answer.result()
        assert service.stop() == 0
    assert until(lambda: containers(engine) == [], SETTLE_S)


def test_an_engine_that_is_gone_for_good_is_an_error_in_bounded_time(
    engine: DockerEngineProcess, pool: ThreadPoolExecutor
) -> None:
    with containers_service(engine) as service:
        engine.kill()
        began_s = time.monotonic()
        answers = [pool.submit(service.run, "print(1)") for _ in range(4)]
        verdicts = [answer.result(60)["verdict"] for answer in answers]
        assert time.monotonic() - began_s < 35
        assert "internal_error" in verdicts
        engine.start()
        assert until(lambda: service.run("print(1)")["verdict"] == "accepted", SETTLE_S)
        assert service.stop() == 0


def test_an_engine_that_is_slow_is_waited_for(
    engine: DockerEngineProcess, pool: ThreadPoolExecutor
) -> None:
    with containers_service(engine) as service:
        engine.freeze()
        try:
            answers = [pool.submit(service.run, f"print({n})") for n in range(6)]
            time.sleep(3)
        finally:
            engine.thaw()
        for n, answer in enumerate(answers):
            assert answer.result(60)["output"] == f"{n}\n", answer.result()
        assert service.stop() == 0


def test_a_service_is_stopped_while_its_engine_is_frozen(engine: DockerEngineProcess) -> None:
    """What the daemon is only asked for by then, it makes; the next start finds that."""
    pools = [p.name for described in describe() for p in described.language.profiles]

    def at_rest() -> bool:
        count = service.count
        return all(count(f"pool.{x}.ready") and not count(f"pool.{x}.making") for x in pools)

    with containers_service(engine) as service:
        assert until(at_rest, SETTLE_S)
        assert len(containers(engine, service)) >= len(pools)
        engine.freeze()
        try:
            began_s = time.monotonic()
            assert service.stop() == 0, "nobody had to be killed"
            assert time.monotonic() - began_s < ENGINE_KILL_S
        finally:
            engine.thaw()
    assert until(lambda: containers(engine) == [], SETTLE_S), containers(engine)


def test_strays_of_a_killed_service_are_reaped_and_no_others(
    engine: DockerEngineProcess, docker_image: RuntimeImage, pool: ThreadPoolExecutor
) -> None:
    with contextlib.closing(engine.client()) as client:
        config = {"NetworkMode": "none"}
        foreign = [
            client.create_container_from_config(
                {"Image": docker_image.id, "Labels": labels, "HostConfig": config}, name
            )["Id"]
            for name, labels in (("vibecell-0123", FOREIGN_LABEL), ("somebody", {}))
        ]
        try:
            with containers_service(engine) as service:
                token = (service.run_dir / "containers" / "owner").read_text()
                stray = client.create_container_from_config(
                    {
                        "Image": docker_image.id,
                        "Labels": {OWNER_LABEL: token},
                        "HostConfig": config,
                    },
                    "vibecell-stray",
                )["Id"]
                os.kill(service.role("engine"), 9)
                assert until(service.is_whole, SETTLE_S)
                left = {found["Id"] for found in containers(engine)}
                assert stray not in left
                assert left.issuperset(foreign)
                assert service.stop() == 0
            assert {found["Id"] for found in containers(engine)} == set(foreign)
        finally:
            for container in foreign:
                client.remove_container(container, force=True)


def test_a_service_killed_whole_leaves_no_container(engine: DockerEngineProcess) -> None:
    with containers_service(engine) as service:
        assert service.run("print(1)")["success"]
        engine_pid = service.role("engine")
        service.process.kill()
        service.process.wait()
        assert until(lambda: engine_pid not in processes(), SETTLE_S)
        assert until(lambda: containers(engine) == [], SETTLE_S), containers(engine)


def test_no_engine_is_a_clear_refusal(docker_engine: DockerEngineProcess, tmp_path: Path) -> None:
    done = command(f"unix://{tmp_path}/nobody.sock", tmp_path, "serve", "--port", "0")
    assert done.returncode == 2
    assert "reach the Docker engine" in done.stderr
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_is_frozen_at_start_is_a_clear_refusal_in_bounded_time(
    engine: DockerEngineProcess, tmp_path: Path
) -> None:
    engine.freeze()
    try:
        began_s = time.monotonic()
        done = command(engine.host, tmp_path, "serve", "--port", "0")
    finally:
        engine.thaw()
    assert time.monotonic() - began_s < 40.0
    assert done.returncode == 2
    assert "reach the Docker engine: the Docker engine does not answer in time" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_on_the_network_is_refused(tmp_path: Path) -> None:
    done = command("tcp://127.0.0.1:2375", tmp_path, "serve", "--port", "0")
    assert done.returncode == 2
    assert "must be a Unix socket" in done.stderr


def test_a_missing_image_is_named(engine: DockerEngineProcess, tmp_path: Path) -> None:
    images = '{"python": "not-built"}'
    done = command(engine.host, tmp_path, "serve", "--port", "0", images=images)
    assert done.returncode == 2
    assert "vibecell/not-built:" in done.stderr
    assert "vibecell images build --name not-built" in done.stderr


def test_an_unknown_runtime_is_refused_with_those_there_are(
    engine: DockerEngineProcess, tmp_path: Path
) -> None:
    done = command(engine.host, tmp_path, "serve", "--port", "0", "--runtime", "nonesuch")
    assert done.returncode != 0
    assert "nonesuch is none of the Docker engine's:" in done.stderr
    assert "runc" in done.stderr


def test_another_runtime_is_used(engine: DockerEngineProcess) -> None:
    with containers_service(engine, runtime="second-runc") as service:
        assert service.run("print(1)")["output"] == "1\n"
        used = set()
        with contextlib.closing(engine.client()) as client:
            for container in containers(engine, service):
                with contextlib.suppress(docker.errors.NotFound):  # the one that was used up
                    found = client.inspect_container(container["Id"])
                    used.add(found["HostConfig"]["Runtime"])
        assert used == {"second-runc"}
        assert service.stop() == 0


@pytest.mark.parametrize("wall", ["fresh", "shared"])
def test_a_runtime_that_allows_no_inner_wall_is_refused(
    engine: DockerEngineProcess, tmp_path: Path, wall: str
) -> None:
    with contextlib.closing(engine.client()) as client:
        if "runsc" not in client.info()["Runtimes"]:
            lacking("the container runtime runsc")
    done = command(engine.host, tmp_path, "doctor", "--runtime", "runsc", "--wall", wall)
    assert done.returncode == 1, done
    assert "✗ outer wall (Docker)" in done.stdout
    assert "docs/howto/docker.md" in done.stdout
    assert containers(engine) == []


def test_places_by_language_and_by_class(engine: DockerEngineProcess) -> None:
    places = {
        "strict": {"backend": "docker", "wall": "fresh"},
        "scripts": {"backend": "docker", "wall": "shared", "languages": ["bash"]},
    }
    with serving(
        uid_base=UIDS,
        docker_host=engine.host,
        places=json.dumps(places),
        pool_min_idle="0",
        pool_max_idle="4",
    ) as service:
        where = "import os; print(os.path.exists('/etc/debian_version'))"
        assert service.run(where)["output"] == "False\n"
        assert service.run(where, request_class="strict")["output"] == "True\n"
        scripts = service.run("test -e /etc/debian_version && echo yes", language="bash")
        assert scripts["output"] == "yes\n"
        refused = service.run(where, request_class="nonesuch")
        assert refused["status"] == 422
        assert "must be one of scripts, strict" in json.dumps(refused)
        assert service.stop() == 0
    assert containers(engine) == []


@pytest.fixture
def other_image(engine: DockerEngineProcess, docker_image: RuntimeImage) -> Iterator[str]:
    """The name of an image that says of itself it has another Python, and no Node.js."""
    name, versions = "other", {**docker_image.versions, "python3": "3.99.1"}
    del versions["node"]
    reference = docker_image.reference.replace("/runtime:", f"/{name}:")
    with contextlib.closing(engine.client()) as client:
        built = client.build(
            fileobj=io.BytesIO(f"FROM {docker_image.id}\n".encode()),
            labels={LABEL_VERSIONS: json.dumps(versions)},
            tag=reference,
            decode=True,
        )
        assert not [line["error"] for line in built if "error" in line]
        yield name
        client.remove_image(reference, force=True)


def test_a_class_has_the_languages_and_versions_of_its_image(
    engine: DockerEngineProcess, other_image: str, tmp_path: Path
) -> None:
    chosen = {
        "places": json.dumps({"strict": {"backend": "docker"}}),
        "images": json.dumps({"python": other_image, "javascript": other_image}),
        "pool_min_idle": "0",
    }
    with serving(uid_base=UIDS, docker_host=engine.host, **chosen) as service:
        told = requests.get(f"{service.url}/v1/languages", timeout=10).json()
        here, there = (
            {x["name"]: x["version"] for x in known}
            for known in (told["languages"], told["classes"]["strict"])
        )
        assert "javascript" in here
        assert set(there) == set(here) - {"javascript"}
        assert (there["python"], there["bash"] != "") == ("3.99.1", True)
        where = "import os; print(os.path.exists('/etc/debian_version'))"
        asked = service.run(where, request_class="strict", version="3.99")
        assert asked["output"] == "True\n", asked
        assert service.run(where, version=here["python"])["output"] == "False\n"
        for refused in (
            service.run(where, version="3.99"),
            service.run(where, request_class="strict", version=here["python"]),
            service.run("1", request_class="strict", language="javascript"),
        ):
            assert refused["status"] == 422, refused
            assert refused["type"] == "urn:vibecell:problem:unsupported-language"
        assert service.run("console.log(42)", language="javascript")["output"] == "42\n"
        assert service.stop() == 0
    done = command(engine.host, tmp_path, "languages", backend="bubblewrap", **chosen)
    (lacking_there,) = (line for line in done.stdout.splitlines() if "–" in line)
    assert "– javascript in the place strict" in lacking_there
    assert f"vibecell images build --base BASE --name {other_image}" in lacking_there


def test_the_engine_it_uses_is_not_the_machines(engine: DockerEngineProcess) -> None:
    assert "vibecell-docker-" in engine.host
    with contextlib.closing(docker.APIClient(base_url=engine.host, version="auto")) as client:
        assert client.ping()
