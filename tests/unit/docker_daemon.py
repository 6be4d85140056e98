"""A Docker engine that does as it is told, for the real SDK to talk to.

Owns the socket and a memory of what was asked; refuses to judge: it ignores every
filter, so that what a client checks itself is tested.
"""

import contextlib
import gc
import json
import socket
import socketserver
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Daemon:
    """What the engine knows, and how it fails.

    Attributes:
        asked: method, path without the version, and parameters of each call.
        containers: as ``GET /containers/json`` lists them.
        states: name to ``State``, of those that were created.
        bodies: of the containers that were created, by name.
        faults: by method and the end of a path: a status, "silence" or "hang up".
        when_started: called with the name and body of each that is started.
    """

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.api_version = "1.41"
        self.info: dict[str, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.containers: list[dict[str, Any]] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, dict[str, Any]] = {}
        self.faults: dict[tuple[str, str], int | str] = {}
        self.when_started: Callable[[str, dict[str, Any]], None] = lambda _name, _body: None
        self.under_way = self.most_under_way = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method]

    def fault(self, method: str, path: str) -> int | str | None:
        for (at_method, at_path), fault in self.faults.items():
            if method == at_method and path.endswith(at_path):
                return fault
        return None

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, object]:
        with self._lock:
            self.asked.append((method, path, query))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self._answer(method, path, query, body)
        finally:
            with self._lock:
                self.under_way -= 1

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, object]:
        fault = self.fault(method, path)
        if fault == "silence":
            self.stopping.wait()
        elif isinstance(fault, int):
            return fault, {"message": f"it is a {fault}"}
        if path == "/version":
            return 200, {"ApiVersion": self.api_version}
        if path == "/info":
            return 200, self.info
        if (method, path) == ("GET", "/containers/json"):
            return 200, self.containers
        if path == "/containers/create":
            self.bodies[query["name"]] = body
            self.states[query["name"]] = {"Status": "created", "Pid": 0, "ExitCode": 0, "Error": ""}
            return 201, {"Id": query["name"], "Warnings": []}
        return self._of_one(method, path)

    def _of_one(self, method: str, path: str) -> tuple[int, object]:
        name = path.split("/")[2]
        if name not in self.states and not any(name == c["Id"] for c in self.containers):
            return 404, {"message": f"No such container: {name}"}
        if method == "DELETE":
            self.states.pop(name, None)
            self.containers = [c for c in self.containers if c["Id"] != name]
            return 204, None
        if path.endswith("/start"):
            self.states[name]["Status"] = "running"
            self.when_started(name, self.bodies[name])
            return 204, None
        return 200, {"State": self.states[name]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: Daemon

    def _serve(self) -> None:
        url = urlsplit(self.path)
        first, _, rest = url.path.removeprefix("/").partition("/")
        path = f"/{rest}" if first[1:2].isdigit() else url.path
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if self.daemon.fault(self.command, path) == "hang up":
            self.close_connection = True
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, answer = self.daemon.answer(self.command, path, query, body)
        said = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        return


class _Server(socketserver.ThreadingUnixStreamServer):
    def __init__(self, path: str, handler: type[_Handler]) -> None:
        super().__init__(path, handler)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):  # it has been closed
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that has gone


@contextlib.contextmanager
def sockets_forgotten() -> Iterator[None]:
    """For where nobody listens: the SDK leaves such a socket to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@contextlib.contextmanager
def serving(daemon: Daemon) -> Iterator[Daemon]:
    """Let it listen; ends every answer that is being waited for."""
    path = daemon.host.removeprefix("unix://")
    handler = type("Handler", (_Handler,), {"daemon": daemon})
    daemon.stopping.clear()
    with _Server(path, handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield daemon
        finally:
            daemon.stopping.set()
            server.shutdown()
            thread.join()
            server.hang_up()
            Path(path).unlink()
