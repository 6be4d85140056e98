"""Fifty programs at once, each in a container of its own, while another one runs.

The one that runs prints ten times a second. Making fifty containers is hard work for a
small machine; it must not take from a program what a person is looking at.
"""

import itertools
import threading
import time
from collections.abc import Iterable

from bench.case import Bench, BenchFailed, Case
from bench.cases.hello import ASK
from bench.containers import containers
from bench.contender import Contender
from bench.drive import Findings, drive
from bench.rest import until_rest
from bench.rows import Goal, Row
from bench.statistics import percentile
from bench.websocket import WebSocket, events_of

BURST = 50
TITLE = f"{BURST} programs at once on docker fresh"
TICK_S = 0.1
LONGEST_S = 110
TICKER = f"""\
import time
while True:
    print(time.monotonic_ns(), flush=True)
    time.sleep({TICK_S})
"""


def measure(bench: Bench) -> Iterable[Row]:
    """One burst, every answer checked; then until the pool is full again."""
    with containers(bench) as engine, engine.service(bench, "fresh") as service:
        until_rest(service)
        with Ticker(service) as ticker:
            until_rest(service, in_use=1)
            quiet = ticker.taken()
            found = drive(
                service.address, [ASK], clients=BURST, requests=BURST, errors_allowed=True
            )
            refilled_s = until_rest(service, in_use=1)
            busy = ticker.taken()
    return [failures_row(found), _time_row(found, refilled_s), ticks_row(quiet, busy)]


class Ticker:
    """A program that prints for as long as the block lasts, and who reads it.

    Raises:
        BenchFailed: when the block ends: the program had ended before, or was refused.
    """

    def __init__(self, service: Contender) -> None:
        self._service = service
        self._ticks: list[tuple[float, float]] = []
        self._heard = threading.Event()
        self._over = False
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Ticker":
        self._thread.start()
        self._heard.wait(LONGEST_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._over = True
        self._thread.join()
        if self._problem is not None:
            raise BenchFailed(f"the program that prints: {self._problem}") from self._problem

    def taken(self) -> list[tuple[float, float]]:
        """What was printed since the last call: when, and when it was there; in seconds."""
        taken, self._ticks = self._ticks, self._ticks[-1:]
        return taken

    def _read(self) -> None:
        request = {
            "language": "python",
            "code": TICKER,
            "limits": {"wall_time_ms": LONGEST_S * 1000},
        }
        try:
            path = "/v1/executions/stream"
            with WebSocket(self._service.address, path, self._service.headers) as websocket:
                for event in events_of(websocket, request):
                    self._take(event, websocket)
        except Exception as error:  # whatever it is, the other thread tells it
            self._problem = error
        finally:
            self._heard.set()

    def _take(self, event: dict[str, object], websocket: WebSocket) -> None:
        if event["type"] == "finished" and not self._over:
            raise BenchFailed(f"it ended too early: {event}")
        if event["type"] == "stream":
            now_s = time.monotonic()
            printed_s = [int(line) / 1e9 for line in str(event["data"]).split()]
            self._ticks.extend((each, now_s) for each in printed_s)
            self._heard.set()
            if self._over:
                websocket.send({"type": "cancel"})


def failures_row(found: Findings) -> Row:
    """How many of the burst were not answered right."""
    return Row(
        f"{TITLE}: wrong or failed answers",
        measured=f"{found.error_count}",
        value=float(found.error_count),
        goal=Goal("most", 0, f"of {BURST}"),
        why=f"the first: {found.errors[0]}" if found.errors else "",
        details={"errors": list(found.errors)},
    )


def _time_row(found: Findings, refilled_s: float) -> Row:
    return Row(
        f"{TITLE}: until all are served",
        measured=f"{found.seconds:.1f} s",
        value=found.seconds,
        why=f"the pool was full again {refilled_s:.1f} s later",
        details={"refilled_s": refilled_s},
    )


def ticks_row(quiet: list[tuple[float, float]], busy: list[tuple[float, float]]) -> Row:
    """The gaps as they were seen; those between the prints themselves are told beside.

    Args:
        quiet: when each line was printed and when it was there, before the burst.
        busy: from the burst until the pool was full again.

    Raises:
        BenchFailed: nothing was heard.
    """
    printed_ms, seen_ms = (_gaps_ms([tick[side] for tick in busy]) for side in (0, 1))
    before_ms = _gaps_ms([tick[1] for tick in quiet])
    if not seen_ms:
        raise BenchFailed("the program that prints was not heard meanwhile")
    return Row(
        f"{TITLE}: a program that prints each {TICK_S * 1000:.0f} ms meanwhile, longest gap",
        measured=f"{max(seen_ms):.0f} ms",
        reference=f"{max(before_ms):.0f} ms, nothing else going on" if before_ms else "",
        value=max(seen_ms),
        why=f"p99 {percentile(seen_ms, 0.99):.0f} ms of {len(seen_ms)}; between two prints in the "
        f"program itself at most {max(printed_ms):.0f} ms",
        details={"seen_ms": seen_ms, "printed_ms": printed_ms},
    )


def _gaps_ms(times_s: list[float]) -> list[float]:
    return [1000 * (later - earlier) for earlier, later in itertools.pairwise(times_s)]


CASE = Case("docker_burst", 140, TITLE, measure)
