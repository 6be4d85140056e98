"""How long after the program's ``print`` a client has its first output event.

The program prints the monotonic clock and the client reads the same clock
when the event is there: CLOCK_MONOTONIC is one clock for the whole machine
unless a time namespace shifts it (time_namespaces(7)), and cells have none.
The program sleeps first, so that its start is not part of it.
"""

import time
from collections.abc import Iterable

from bench.case import Bench, BenchFailed, Case
from bench.contender import Contender
from bench.rows import Goal, Row
from bench.statistics import percentile
from bench.vibecell_service import running
from bench.websocket import WebSocket, events_of

CODE = """\
import time
time.sleep(0.05)
print(time.monotonic_ns(), flush=True)
time.sleep(0.02)
"""
TITLE = "first output event after the program's print, WebSocket, 1 client, p99"
GOAL = Goal("most", 10, "ms")


def measure(bench: Bench) -> Iterable[Row]:
    """Many programs, one after the other."""
    with running(bench) as service:
        for _ in range(10):
            one_latency_ms(service)
        found = [one_latency_ms(service) for _ in range(50 if bench.quick else 300)]
    p50, p95, p99 = (percentile(found, share) for share in (0.5, 0.95, 0.99))
    yield Row(
        TITLE,
        measured=f"{p99:.1f} ms",
        value=p99,
        goal=GOAL,
        why=f"p50 {p50:.1f}, p95 {p95:.1f}, highest {max(found):.1f} ms of {len(found)} programs",
        details={"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "samples": len(found)},
    )


def one_latency_ms(service: Contender) -> float:
    """Run one program; from its print to the event.

    Raises:
        BenchFailed: it did not print a time, or did not end well.
    """
    with WebSocket(service.address, "/v1/executions/stream", service.headers) as websocket:
        took_ms: float | None = None
        for event in events_of(websocket, {"language": "python", "code": CODE}):
            if event["type"] == "stream" and took_ms is None:
                took_ms = (time.monotonic_ns() - int(event["data"])) / 1e6
            if event["type"] == "finished" and event["result"]["verdict"] != "accepted":
                raise BenchFailed(f"the program did not end well: {event}")
    if took_ms is None or took_ms < 0:
        raise BenchFailed(f"no time that can be compared: {took_ms}")
    return took_ms


CASE = Case("first_output", 60, TITLE, measure)
