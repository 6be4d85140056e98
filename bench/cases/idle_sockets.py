"""A thousand WebSockets that are open and silent: what each costs, and whom they slow down.

Two kinds: opened and not yet asked for anything, and attached to a program
that prints nothing. Clients come from several loopback addresses, with
several API keys, so that the bounds per peer and per key stay as they are.

Memory is the gateway's private memory; the kernel's, of sockets, is not in it.
"""

import json
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench import processes
from bench.case import Bench, BenchFailed, Case
from bench.cases.hello import ASK
from bench.contender import Contender
from bench.drive import drive
from bench.rows import Goal, Row
from bench.statistics import percentile
from bench.vibecell_service import VibecellContender, running
from bench.websocket import WebSocket

KEYS = tuple(f"bench-key-of-an-idle-client-{n}" for n in range(10))
SILENT = "import time; time.sleep(110)"
TITLE = "idle WebSockets"
KINDS = ("not yet asked", "attached to a silent program")
SETTINGS = {
    "api_key": KEYS[0],
    "api_keys": ",".join(KEYS),
    "max_concurrent": str(2 * len(KEYS)),
}
MEMORY_GOAL = Goal("most", 60, "KB")
SLOWER_GOAL = Goal("most", 2.0, "× its p50 without them")
NOT_ROOT = "the gateway may only be measured as root"


def measure(bench: Bench) -> Iterable[Row]:
    """Both kinds, each with a service of its own; 1,000 sockets, or 200 in a hurry."""
    count = 200 if bench.quick else 1000
    for kind in KINDS:
        with running(bench, **SETTINGS) as service:
            yield from measure_kind(bench, service, kind, count)


def measure_kind(bench: Bench, service: VibecellContender, kind: str, count: int) -> Iterable[Row]:
    """One kind: memory before and among them, the latency of a run before and among them."""
    runs = runs_of(bench)
    latency_ms(service, runs)
    alone_ms = latency_ms(service, runs)
    with held(service, kind, count) as each_kb:
        among_ms = latency_ms(service, runs)
    if each_kb is None:
        yield Row(memory_label(kind, count), goal=MEMORY_GOAL, why=NOT_ROOT)
    else:
        bench.say(f"{kind}: {each_kb:.1f} KB each, p50 {alone_ms:.1f} → {among_ms:.1f} ms")
        yield Row(
            memory_label(kind, count),
            measured=f"{each_kb:.1f} KB",
            value=each_kb,
            goal=MEMORY_GOAL,
            details={"sockets": count},
        )
    yield Row(
        latency_label(kind, count),
        measured=f"{among_ms:.1f} ms (without: {alone_ms:.1f})",
        ratio=f"{among_ms / alone_ms:.2f} ×",
        value=among_ms / alone_ms,
        goal=SLOWER_GOAL,
        details={"alone_ms": alone_ms, "among_ms": among_ms},
    )


def runs_of(bench: Bench) -> int:
    """How many runs a median is made of."""
    return 20 if bench.quick else 60


def memory_label(kind: str, count: int) -> str:
    """The row of what each costs."""
    return f"{count:,} idle WebSockets, {kind}: gateway memory of each"


def latency_label(kind: str, count: int) -> str:
    """The row of whom they slow down."""
    return f"{count:,} idle WebSockets, {kind}: a run among them, p50"


@contextmanager
def held(service: VibecellContender, kind: str, count: int) -> Iterator[float | None]:
    """Open them, and look at the end that none was closed meanwhile.

    Yields:
        What each costs the gateway, in KB; ``None`` where only root may know it.
    """
    gateway = service.part("gateway")
    paths = _paths(service, kind)
    with ExitStack() as stack:
        before_bytes = _private_bytes(gateway)
        sockets = _open(stack, service, paths, count)
        after_bytes = _private_bytes(gateway)
        if before_bytes is None or after_bytes is None:
            yield None
        else:
            yield (after_bytes - before_bytes) / count / 1000
        for websocket in sockets:
            websocket.answer_pings()


def _private_bytes(pid: int) -> int | None:
    try:
        return processes.private_bytes(pid)
    except PermissionError:
        return None


def latency_ms(service: Contender, runs: int) -> float:
    """The median latency of the smallest program; raises ``BenchFailed``."""
    found = drive(service.address, [ASK], clients=1, requests=runs, owners=service.shown)
    return percentile(found.all_latencies_ms, 0.5)


def _paths(service: Contender, kind: str) -> Sequence[str]:
    """Where each key's sockets connect."""
    if kind == "not yet asked":
        return ["/v1/executions/stream"] * len(KEYS)
    return [f"/v1/executions/{_begin_silent(service, key)}/stream" for key in KEYS]


def _begin_silent(service: Contender, key: str) -> str:
    host, port = service.address
    body = {
        "language": "python",
        "code": SILENT,
        "limits": {"wall_time_ms": 120_000},
        "on_disconnect": "continue",
    }
    request = urllib.request.Request(
        f"http://{host}:{port}/v1/executions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["id"])


def _open(
    stack: ExitStack, service: Contender, paths: Sequence[str], count: int
) -> list[WebSocket]:
    found = []
    for number in range(count):
        which = number % len(KEYS)
        websocket = WebSocket(
            service.address,
            paths[which],
            {"Authorization": f"Bearer {KEYS[which]}"},
            source=f"127.0.0.{10 + which}",
        )
        found.append(stack.enter_context(websocket))
        if paths[which] != "/v1/executions/stream":
            _expect_start(websocket)
    return found


def _expect_start(websocket: WebSocket) -> None:
    """An attached socket first hears what has happened so far."""
    message = websocket.receive()
    while message["type"] in ("accepted", "queued"):
        message = websocket.receive()
    if message["type"] != "started":
        raise BenchFailed(f"an attached WebSocket heard {message}")


CASE = Case("idle_sockets", 80, TITLE, measure)
