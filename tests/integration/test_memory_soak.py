"""Clients come in hundreds and leave in the middle: the service is as large as before."""

import base64
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import requests

from integration.live import Service
from vibecell.gateway.identity.narrowing import ANONYMOUS
from vibecell.model.caller import Owner
from vibecell.wire import link as wire

MIB = 1024 * 1024
# how many attach, come with half a call, come with a WebSocket
ROUND = (100, 10, 60)
WARM_UP = (10, 1, 6)
SETTLE_S = 20.0
_RESET = struct.pack("ii", 1, 0)


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def engine_link(run_dir: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(20)
    link.connect(str(run_dir / "engine.sock"))
    return link


def engine_pid(run_dir: Path) -> int:
    """Of the process behind the socket. Source: unix(7), SO_PEERCRED."""
    with engine_link(run_dir) as link:
        told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[0])


def finished_flood(service: Service) -> str:
    """The id of an execution that has printed nearly a mebibyte."""
    asked = {"language": "python", "files": [{"path": "main.py", "content": "flood(1000000)"}]}
    headers = {"Prefer": "wait=10"}
    answer = requests.post(f"{service.url}/v1/executions", json=asked, headers=headers, timeout=20)
    answer.raise_for_status()
    return str(answer.json()["id"])


def leave_with_unread_events(run_dir: Path, execution_id: str) -> None:
    """Attach, read a little of a lot, and go."""
    call = wire.encode_message(wire.AttachCall(execution_id, Owner(ANONYMOUS), 0))
    with engine_link(run_dir) as link:
        link.sendall(call)
        assert b"accepted" in link.recv(4096)


def leave_in_the_middle_of_a_call(run_dir: Path) -> None:
    with engine_link(run_dir) as link:
        link.sendall((8 * MIB).to_bytes(wire.LENGTH_BYTES, "big") + bytes(4 * MIB))


def open_websocket(service: Service, path: str) -> socket.socket:
    link = service.connect(20)
    key = base64.b64encode(os.urandom(16)).decode()
    link.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {service.host}:{service.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert link.recv(4096).startswith(b"HTTP/1.1 101")
    return link


def storm(service: Service, run_dir: Path, execution_id: str, counts: tuple[int, int, int]) -> None:
    """Clients of the engine's and of the gateway's that all leave in the middle."""
    attached, halves, websockets = counts
    for _ in range(attached):
        leave_with_unread_events(run_dir, execution_id)
    for _ in range(halves):
        leave_in_the_middle_of_a_call(run_dir)
    with contextlib.ExitStack() as open_:  # all at once, then all reset
        for number in range(websockets):
            path = "stream" if number % 2 else f"{execution_id}/stream"
            link = open_.enter_context(open_websocket(service, f"/v1/executions/{path}"))
            if number % 2:  # most of a long message
                link.sendall(b"\x81\xff" + struct.pack(">Q", 900_000) + bytes(4 + 600_000))
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def settled_below(size: Callable[[], int], most_bytes: float) -> bool:
    end = time.monotonic() + SETTLE_S
    while (now := size()) > most_bytes:
        if time.monotonic() > end:
            print(f"{now} is more than {most_bytes}")
            return False
        time.sleep(0.2)
    return True


def test_five_hundred_clients_that_leave_in_the_middle_leave_no_memory_behind(
    make_service: Callable[..., Service], engine_run_dir: Path
) -> None:
    service = make_service()
    assert service.gateway is not None
    processes = {"engine": engine_pid(engine_run_dir), "gateway": service.gateway.pid}
    execution_id = finished_flood(service)
    storm(service, engine_run_dir, execution_id, WARM_UP)
    time.sleep(6)  # a little more than the daemons' pace of giving back
    before = {name: resident_bytes(pid) for name, pid in processes.items()}
    for _ in range(3):  # 510 clients
        storm(service, engine_run_dir, execution_id, ROUND)
    for name, pid in processes.items():
        assert settled_below(lambda pid=pid: resident_bytes(pid), 1.1 * before[name]), name
    assert service.is_unharmed()
