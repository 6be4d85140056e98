"""``vibecell trace``: where the time of a request goes.

Owns a service of its own with tracing on (or talks to a running one), the
requests, and the putting together of three clocks that are one; refuses to
average away: a request whose moments are not all told is not counted. The
client is a bare socket, so that it adds little of its own.
"""

import contextlib
import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from vibecell.cli import children
from vibecell.cli.complaints import complain
from vibecell.cli.composition.deployment import deploy
from vibecell.cli.composition.executors import TracedExecutor, executor, is_ready
from vibecell.cli.supervisor import StartFailed, Stopped, Supervisor
from vibecell.cli.trace_table import Marks, Table, make_table
from vibecell.config import Settings
from vibecell.gateway.timing import NAME, read_server_timing
from vibecell.languages.catalogue import choose, describe
from vibecell.model.errors import MalformedRequest, PlatformError
from vibecell.model.language import Language
from vibecell.model.marks import Moment

WARM_UPS = 10
TIMEOUT_S = 60.0
START_DEADLINE_S = 60.0
# Between two requests: the next cell is warm by then, the last one gone, and neither
# work is in the way of the request that is measured.
PAUSE_S = 0.03
DESTROYED_DEADLINE_S = 2.0
MAX_COUNT = 1000
_Address = tuple[str, int]  # host, port


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``vibecell trace`` was asked for.

    Attributes:
        url: of a running service; ``None`` starts one.
        file: the program's source; ``None`` is one that says hello.
        count: executions that are counted.
    """

    url: str | None
    language: str | None
    file: str | None
    count: int
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    id: str
    verdict: str
    marks: dict[Moment, int] | None


def trace(settings: Settings, asked: Asked) -> int:
    """Run, ask what was noted, print the table; return the exit status.

    Raises:
        VibecellError: the service cannot be started, or notes nothing.
    """
    if not 1 <= asked.count <= MAX_COUNT:
        raise MalformedRequest(f"--count must be 1 to {MAX_COUNT}")
    chosen = choose(describe(), asked.language, asked.file)
    language = chosen.language
    source = chosen.hello if asked.file is None else _read_source(asked.file)
    body = json.dumps({"language": language.name, "code": source}).encode()
    with _service(settings, asked.url) as (address, engine), _Client(address, settings) as client:
        for _ in range(WARM_UPS):
            client.execute(body)
        answers = []
        for _ in range(asked.count):
            time.sleep(PAUSE_S)
            answers.append(client.execute(body))
        table = make_table(_joined(answers, _engine_marks(engine, answers[-1].id)))
    verdicts = sorted({answer.verdict for answer in answers})
    if asked.as_json:
        print(json.dumps({"language": language.name, "verdicts": verdicts, **table.as_json()}))
    else:
        _print(language, verdicts, table)
    return 0


def _print(language: Language, verdicts: list[str], table: Table) -> None:
    print(
        f"{table.count} executions of {language.name}, one after the other: {', '.join(verdicts)}"
    )
    print()
    for line in table.lines():
        print(line)


def _read_source(file: str) -> str:
    try:
        source = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return source.decode()
    except OSError as error:
        raise MalformedRequest(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"{file}: is not UTF-8") from error


def _joined(answers: list[_Answer], engine: dict[str, dict[Moment, int]]) -> list[Marks]:
    """All moments of each execution.

    Raises:
        PlatformError: the gateway or the engine told none.
    """
    whole: list[Marks] = [
        {**engine[answer.id], **answer.marks}
        for answer in answers
        if answer.marks is not None and answer.id in engine
    ]
    if not whole:
        raise PlatformError(
            "trace the service", "it notes nothing; start it with VIBECELL_TRACE=true"
        )
    return whole


def _engine_marks(engine: TracedExecutor, last_id: str) -> dict[str, dict[Moment, int]]:
    """What the engine noted, once the last cell is gone."""
    deadline_s = time.monotonic() + DESTROYED_DEADLINE_S
    while True:
        noted = engine.traces() or {}
        if "destroyed" in noted.get(last_id, {}) or time.monotonic() > deadline_s:
            return noted
        time.sleep(PAUSE_S)


@contextlib.contextmanager
def _service(settings: Settings, url: str | None) -> Iterator[tuple[_Address, TracedExecutor]]:
    """A service to trace: the running one, else one of our own.

    Raises:
        PlatformError: it cannot be started.
    """
    if url is not None:
        yield _address(url), executor(settings)
        return
    listener = socket.create_server(("127.0.0.1", 0))
    # short, because a socket's name has at most 107 bytes (unix(7)), and passable,
    # because as root the gateway is another user
    with listener, tempfile.TemporaryDirectory(prefix="vibecell-") as place:
        Path(place).chmod(0o711)
        address: _Address = listener.getsockname()
        own = replace(
            settings,
            host=address[0],
            port=address[1],
            run_dir=Path(place),
            trace=True,
            log_format=settings.log_format or "text",
            log_level="warning",
            api_keys=(),
            anonymous="loopback",  # whatever keys there are: it is our own
        )
        with _running(own, listener) as client:
            yield address, client


@contextlib.contextmanager
def _running(settings: Settings, listener: socket.socket) -> Iterator[TracedExecutor]:
    deployment = deploy(settings)
    supervisor = Supervisor(complain)
    client = executor(settings)
    try:
        supervisor.add(children.engine(settings))
        supervisor.add(children.gateway(settings, listener))
        supervisor.wait_until(lambda: is_ready(client), START_DEADLINE_S)
        yield client
    except (StartFailed, Stopped) as error:
        raise PlatformError("start a service to trace", str(error)) from error
    finally:
        supervisor.stop()
        deployment.release()


def _address(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise MalformedRequest(f"--url: {error}") from error
    if parts.scheme != "http" or host is None:
        raise MalformedRequest("--url: must be like http://127.0.0.1:8000")
    return host, port


class _Client:
    """One kept-alive connection that asks and looks at the clock."""

    def __init__(self, address: _Address, settings: Settings) -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self._head = f"POST /execute HTTP/1.1\r\nHost: {host}:{address[1]}\r\n"
        self._head += "Content-Type: application/json\r\n"
        if settings.api_keys:
            self._head += f"Authorization: Bearer {settings.api_keys[0]}\r\n"
        try:
            self._link = socket.create_connection(address, timeout=TIMEOUT_S)
        except OSError as error:
            raise PlatformError("reach the service", str(error)) from error
        self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def execute(self, body: bytes) -> _Answer:
        """One execution, from the request to the last byte of the answer.

        Raises:
            PlatformError: it was refused, or the connection broke.
        """
        request = f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body
        try:
            sent_ns = time.monotonic_ns()
            self._link.sendall(request)
            head, answer = self._receive()
            received_ns = time.monotonic_ns()
        except OSError as error:
            raise PlatformError("execute a program", str(error)) from error
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise PlatformError("execute a program", answer.decode("utf-8", "replace")[:500])
        told = json.loads(answer)
        marks = read_server_timing(_field(head, NAME))
        if marks is not None:
            marks |= {"sent": sent_ns, "received": received_ns}
        return _Answer(str(told["id"]), str(told["verdict"]), marks)

    def _receive(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(_field(head, "Content-Length") or 0)
        while len(body) < length:
            body += self._more()
        return head, body

    def _more(self) -> bytes:
        data = self._link.recv(65536)
        if not data:
            raise OSError("the service closed the connection")
        return data


def _field(head: bytes, name: str) -> str:
    """The value of a header field, or nothing."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""
