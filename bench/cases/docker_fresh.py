"""A fresh container for every program, taken warm, beside ``docker run`` of the same image.

A container takes longer to make than a program to run, so requests that follow each other
without a pause wait for the making. Here every request comes after a pause in which the pool
fills again, as it does where programs come now and then; the rate without pauses is told
beside it, and what a single request waits for a warm cell after another, too.
"""

import time
from collections.abc import Iterable

from bench.case import Bench, BenchFailed, Case
from bench.cases.hello import ASK
from bench.containers import containers
from bench.docker_run import DockerRun
from bench.drive import drive
from bench.rest import until_rest
from bench.rows import Goal, Row
from bench.statistics import Spread, percentile, ratios
from bench.vibecell_service import VibecellContender

TITLE = "Python hello, docker fresh, a pause before each, 1 client, p50, against docker run"
GOAL = Goal("most", 0.05)
CLIENTS = 8


def measure(bench: Bench) -> Iterable[Row]:
    """Turn by turn: some ``docker run``, some requests; at last requests without pauses."""
    requests = 3 if bench.quick else 10
    with containers(bench) as engine, engine.service(bench, "fresh") as service:
        docker_run = engine.docker_run()
        warm_request_ms(service)
        ours, theirs, waits_s = [], [], []
        for _ in range(bench.rounds):
            until_rest(service)
            theirs.append([_docker_run_ms(docker_run) for _ in range(requests)])
            taken = [warm_request_ms(service) for _ in range(requests)]
            ours.append([ms for ms, _ in taken])
            waits_s += [waited_s for _, waited_s in taken[1:]]
        until_rest(service)
        without = drive(service.address, [ASK], clients=CLIENTS, requests=6 * requests)
    p50s = [[percentile(turn, 0.5) for turn in side] for side in (ours, theirs)]
    ratio = ratios(*p50s)
    rate = len(without.all_latencies_ms) / without.seconds
    yield Row(
        TITLE,
        measured=Spread.of(p50s[0]).text("ms"),
        reference=Spread.of(p50s[1]).text("ms"),
        ratio=ratio.text("×", 3),
        value=ratio.median,
        goal=GOAL,
        why=f"beside {docker_run.how}; the pool was full again "
        f"{percentile(waits_s, 0.5):.2f} s after a cell was taken (p50); {CLIENTS} clients "
        f"without pauses: {rate:.1f}/s",
        details={"ours_ms": ours, "theirs_ms": theirs, "sustained_per_s": rate},
    )


def _docker_run_ms(docker_run: DockerRun) -> float:
    began_s = time.monotonic()
    if docker_run.run("print('hello')") != "hello\n":
        raise BenchFailed("docker run printed something else")
    return (time.monotonic() - began_s) * 1000


def warm_request_ms(service: VibecellContender) -> tuple[float, float]:
    """Latency of one request, and for how many seconds a full pool was waited for before it.

    Raises:
        BenchFailed: the pool does not fill, or the answer is wrong.
    """
    waited_s = until_rest(service)
    found = drive(service.address, [ASK], clients=1, requests=1)
    return found.all_latencies_ms[0], waited_s


CASE = Case("docker_fresh", 120, TITLE, measure)
