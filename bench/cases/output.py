"""How fast the output of one program flows through the whole path, and what the engine keeps.

The program writes lines of 1 KiB as fast as they are taken. The client checks
their number and a checksum of them all. Meanwhile the resident memory of the
engine is sampled: it is to stay flat, whatever flows through.
"""

import threading
import time
import zlib
from collections.abc import Iterable

from bench import processes
from bench.case import Bench, BenchFailed, Case
from bench.rows import Goal, Row
from bench.statistics import Spread
from bench.vibecell_service import VibecellContender, running
from bench.websocket import WebSocket, events_of

MIB = 1024 * 1024
LINE = "0123456789abcdef" * 63 + "0123456789abcde\n"
CODE = f"""\
import sys
block = ({LINE[:16]!r} * 63 + {LINE[-16:]!r}).encode() * 64
for _ in range(BLOCKS):
    sys.stdout.buffer.write(block)
"""
TITLE = "output of one program through the whole path, WebSocket"
RATE_GOAL = Goal("least", 50, "MB/s")
FLAT_GOAL = Goal("most", 32, "MiB")


def measure(bench: Bench) -> Iterable[Row]:
    """Several programs, one after the other, with a raised ceiling for output."""
    size_bytes = (32 if bench.quick else 256) * MIB
    with running(bench, ceiling__output_bytes=str(size_bytes + MIB)) as service:
        one_run(service, MIB)
        before_bytes = processes.resident_bytes(service.part("engine"))
        with _Highest(service.part("engine")) as highest:
            rates = [one_run(service, size_bytes) for _ in range(bench.rounds)]
            bench.say(f"MB/s: {', '.join(f'{rate:.1f}' for rate in rates)}")
        grown_mib = (highest.bytes - before_bytes) / MIB
    rate = Spread.of(rates)
    yield Row(
        TITLE,
        measured=rate.text("MB/s"),
        value=rate.median,
        goal=RATE_GOAL,
        why=f"{bench.rounds} programs of {size_bytes // MIB} MiB each; program, agent, engine, "
        "gateway and client share the processors",
        details={"megabytes_per_s": rates},
    )
    yield Row(
        "growth of the engine's memory meanwhile",
        measured=f"{grown_mib:.1f} MiB",
        value=grown_mib,
        goal=FLAT_GOAL,
        details={"engine_before_bytes": before_bytes, "engine_highest_bytes": highest.bytes},
    )


def one_run(service: VibecellContender, size_bytes: int) -> float:
    """One program's output, checked; megabytes (10^6) per second from request to result.

    Raises:
        BenchFailed: a byte is missing or wrong.
    """
    blocks = size_bytes // (64 * len(LINE))
    request = {
        "language": "python",
        "code": CODE.replace("BLOCKS", str(blocks)),
        "limits": {"output_bytes": size_bytes + 1, "wall_time_ms": 60_000, "cpu_time_ms": 60_000},
    }
    taken, checksum = 0, 0
    with WebSocket(service.address, "/v1/executions/stream", service.headers) as websocket:
        began_s = time.perf_counter()
        for event in events_of(websocket, request):
            if event["type"] == "stream":
                data = event["data"].encode()
                taken += len(data)
                checksum = zlib.crc32(data, checksum)
        took_s = time.perf_counter() - began_s
    if event["result"]["verdict"] != "accepted":
        raise BenchFailed(f"the program ended as {event['result']['verdict']}")
    if taken != blocks * 64 * len(LINE) or checksum != _expected(blocks):
        raise BenchFailed(f"{taken} bytes came of {blocks * 64 * len(LINE)}, or wrong ones")
    return taken / took_s / 1e6


def _expected(blocks: int) -> int:
    block, checksum = LINE.encode() * 64, 0
    for _ in range(blocks):
        checksum = zlib.crc32(block, checksum)
    return checksum


class _Highest:
    """The highest resident memory of a process while the block runs, sampled each 20 ms."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.bytes = 0

    def __enter__(self) -> "_Highest":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, processes.resident_bytes(self._pid))


CASE = Case("output", 70, TITLE, measure)
