"""The service is told to stop: by whom, when, and while clients do what they like.

Whatever they do, both children end by themselves in their time, who still reads is told, and
nothing is left. What hangs is killed at its deadline, and that is said.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from host import host_mounts
from vibecell.model.stopping import ANSWERS_STOP_S, ENGINE_KILL_S, GATEWAY_STOP_S, SERVICE_STOP_S

from .crashes_service import SOURCES, LiveService, cgroups_of, processes, serving, until

SETTLE_S = 30.0
# Beyond a deadline, on a machine that has more to do.
SLACK_S = 10.0
# More than the kernel holds for a peer that does not read: tcp(7), tcp_wmem.
FLOOD = "print(('x' * 1023 + '\\n') * 30_000, flush=True)\nimport time\ntime.sleep(50)"
LIMITS = {"wall_time_ms": 60_000, "output_bytes": 64 * 1024 * 1024}
SLEEPER = "print('begun', flush=True)\nimport time\ntime.sleep(50)"


@pytest.fixture
def complaints() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as log:
        yield Path(log.name)


def _port(service: LiveService) -> int:
    return int(service.url.rpartition(":")[2])


@contextlib.contextmanager
def _connected(service: LiveService, sent: bytes) -> Iterator[socket.socket]:
    """A client that takes next to nothing without reading, and has said something."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", _port(service)))
        client.sendall(sent)
        yield client


def _unsent_bytes(service: LiveService, client: socket.socket) -> int:
    """What the gateway's kernel holds for a client. Source: proc(5), /proc/net/tcp"""
    ends = f":{_port(service):04X}", f":{client.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if here.endswith(ends[0]) and there.endswith(ends[1]):
            return int(queues.partition(":")[0], 16)
    return 0


def _is_full(service: LiveService, client: socket.socket) -> bool:
    """Whether the gateway waits for a client to read: what it holds grows no more."""
    before = _unsent_bytes(service, client)
    time.sleep(0.3)
    return before > 0 and _unsent_bytes(service, client) == before


def _request(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()


def _upgrade(path: str) -> bytes:
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    return _request("GET", path, *upgrade, key)


def _begun(service: LiveService, code: str) -> str:
    body = {"code": code, "limits": LIMITS, "on_disconnect": "continue"}
    answer = requests.post(f"{service.url}/v1/executions", json=body, timeout=10)
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["id"])


@contextlib.contextmanager
def _every_client(service: LiveService) -> Iterator[ClientConnection]:
    """Clients that do not read, are in the middle, are idle; yields one that reads."""
    execution = _begun(service, FLOOD)
    path = f"/v1/executions/{execution}"
    body = ("Content-Type: application/json", "Content-Length: 1000")
    execute = Frame(Opcode.TEXT, json.dumps({"type": "execute", "code": SLEEPER}).encode())
    with contextlib.ExitStack() as clients:
        connected = clients.enter_context
        silent = [
            connected(_connected(service, _upgrade(f"{path}/stream?after=0"))),
            connected(
                _connected(
                    service,
                    _request("GET", f"{path}/events?after=0", "Accept: text/event-stream"),
                )
            ),
            connected(_connected(service, _request("GET", f"{path}/events?after=0"))),
        ]
        connected(_connected(service, _request("POST", "/execute", *body) + b'{"code":'))
        connected(_connected(service, _request("GET", "/healthz")))
        connected(_connected(service, b""))
        connected(_connected(service, b"GET / HT"))
        half = execute.serialize(mask=True)[:7]
        connected(_connected(service, _upgrade("/v1/executions/stream") + half))
        reads = connected(connect(f"ws://127.0.0.1:{_port(service)}/v1/executions/stream"))
        reads.send(json.dumps({"type": "execute", "code": SLEEPER}))
        while json.loads(reads.recv(30)).get("type") != "stream":
            pass
        assert until(lambda: all(_is_full(service, client) for client in silent), 30.0)
        yield reads


def _assert_stopped_well(service: LiveService, complaints: Path) -> None:
    assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()
    said = complaints.read_text()
    assert "killing it" not in said and "Traceback" not in said, said


def test_clients_that_do_not_read_hold_up_no_stop(prepared: object, complaints: Path) -> None:
    with (
        complaints.open("wb") as log,
        serving(1_978_000_000, stderr=log.fileno()) as service,
        ThreadPoolExecutor(1) as pool,
        _every_client(service) as reads,
    ):
        answer = pool.submit(service.run, SLEEPER, limits=LIMITS)
        assert until(lambda: service.count("running") == 3)
        began_s = time.monotonic()
        service.role("engine")
        service.process.terminate()
        with pytest.raises(ConnectionClosed):
            while True:
                reads.recv(30)
        assert reads.close_code == 1001
        assert answer.result(30)["verdict"] == "cancelled"
        assert service.process.wait(SERVICE_STOP_S) == 0
        assert time.monotonic() - began_s < GATEWAY_STOP_S + SLACK_S
        _assert_stopped_well(service, complaints)


def test_idle_connections_hold_up_no_stop(prepared: object, complaints: Path) -> None:
    with (
        complaints.open("wb") as log,
        serving(1_980_000_000, stderr=log.fileno()) as service,
        requests.Session() as session,
        _connected(service, b"") as nothing_said,
    ):
        assert session.get(f"{service.url}/healthz", timeout=5).ok  # and is kept alive
        began_s = time.monotonic()
        assert service.stop() == 0
        stopped_s = time.monotonic() - began_s
        assert stopped_s < ANSWERS_STOP_S + SLACK_S, "somebody waited for a request of theirs"
        assert nothing_said.recv(1) == b""
        _assert_stopped_well(service, complaints)


def test_further_signals_disturb_no_stop(prepared: object, complaints: Path) -> None:
    """Of a person who is impatient, and of who signals a whole group of processes."""
    with (
        complaints.open("wb") as log,
        serving(1_982_000_000, stderr=log.fileno()) as service,
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(service.run, SLEEPER, limits=LIMITS) for _ in range(2)]
        assert until(lambda: service.count("running") == 2)
        told = [service.process.pid, service.role("engine"), service.role("gateway")]
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            for pid in told[: 1 if number == signal.SIGHUP else None]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.05)
        assert service.process.wait(SERVICE_STOP_S) == 0
        assert [answer.result(30)["verdict"] for answer in answers] == ["cancelled"] * 2
        _assert_stopped_well(service, complaints)


def _is_there(name: str) -> Callable[[int, Path], bool]:
    """Whether a process below a service has this in its command."""

    def looks(service: int, _run_dir: Path) -> bool:
        below, seen = {service}, processes()
        while more := {p.pid for p in seen.values() if p.parent in below} - below:
            below |= more
        return any(name in seen[pid].command for pid in below - {service} if pid in seen)

    return looks


MOMENTS: dict[str, Callable[[int, Path], bool]] = {
    "nothing has been started": lambda _pid, _run_dir: True,
    "the engine is a process": _is_there("internal engine"),
    "the engine makes its first wall": _is_there("bwrap"),
    "the first zygote is there": _is_there("python3 main.py"),
    "the engine is ready": lambda _pid, run_dir: (run_dir / "engine.sock").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_during_the_start_leaves_nothing(
    prepared: object, complaints: Path, moment: str
) -> None:
    uid_base = 1_984_000_000
    with tempfile.TemporaryDirectory(prefix="vibecell-test-") as name, complaints.open("wb") as log:
        run_dir = Path(name)
        run_dir.chmod(0o711)
        process = subprocess.Popen(
            [sys.executable, "-m", "vibecell.cli.main", "serve", "--port", "0"],
            env={**os.environ, "PYTHONPATH": str(SOURCES), "VIBECELL_RUN_DIR": name,
                 "VIBECELL_UID_BASE": str(uid_base)},
            stderr=log,
        )  # fmt: skip
        service = LiveService(process, "", run_dir, uid_base, host_mounts())
        try:
            # before that it is an interpreter that has not come to our program
            assert until(lambda: (run_dir / "engine.lock").exists(), 60.0)
            assert until(lambda: MOMENTS[moment](process.pid, run_dir), 60.0)
            service.known = service.family()
            service.engines = {p.pid for p in service.children(process.pid)}
            process.terminate()
            assert process.wait(SERVICE_STOP_S) == 0
        finally:
            process.kill()
            process.wait()
        _assert_stopped_well(service, complaints)


def test_an_engine_that_hangs_is_killed_at_its_deadline(prepared: object, complaints: Path) -> None:
    """Meanwhile the gateway ends by itself, though there are requests that wait for the engine."""
    with (
        complaints.open("wb") as log,
        serving(1_986_000_000, stderr=log.fileno()) as service,
        ThreadPoolExecutor(2) as pool,
    ):
        answer = pool.submit(service.run, SLEEPER, limits=LIMITS)
        assert until(lambda: service.count("running") == 1)
        engine = service.role("engine")
        os.kill(engine, signal.SIGSTOP)
        late = pool.submit(service.run, SLEEPER)
        began_s = time.monotonic()
        service.process.terminate()
        assert service.process.wait(SERVICE_STOP_S) == 1, "a stop that was none is told"
        assert ENGINE_KILL_S <= time.monotonic() - began_s < ENGINE_KILL_S + SLACK_S
        said = complaints.read_text()
        assert f"the engine did not stop in {ENGINE_KILL_S:g} s; killing it" in said
        assert "gateway" not in said, said
        assert isinstance(answer.exception(30), requests.RequestException)
        assert isinstance(late.exception(30), requests.RequestException)
        # what it would have removed the next engine does, all else ends with it
        kept = {f"cgroup {path}" for path in cgroups_of(engine)} | {"file engine.sock"}
        assert until(lambda: set(service.left_behind()) <= kept, SETTLE_S), service.left_behind()
