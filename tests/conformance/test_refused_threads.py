"""What becomes of a program that is refused a thread or a process, where the kernel counts it.

One backend at a time: of several in one process only the first is granted cgroups.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import QUICK_LIMITS, Cells, Run, docker_host_for, python
from vibecell.model.execution import SourceFile
from vibecell.sandbox.backend import ProcessSpec

# an end that comes by itself, and not by these
LIMITS = replace(QUICK_LIMITS, processes=4, wall_time_ms=50_000, cpu_time_ms=50_000)
AT_ONCE_MS = 20_000  # however busy the machine is
REFUSED = """
import os, sys, threading, time
wait = threading.Event()
try:
    for _ in range(20):
        threading.Thread(target=wait.wait, daemon=True).start()
except RuntimeError:
    print("refused", file=sys.stderr, flush=True)
"""
ENDS = {
    "while True: pass": "processes",
    "wait.wait()": "processes",
    "time.sleep(60)": "processes",
    "for n in range(5): time.sleep(0.5); print(n, flush=True)": None,
    "os._exit(0)": None,
    "sys.exit(3)": None,
}


@pytest.fixture(scope="module", params=["bubblewrap-shared", "docker-shared"])
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    kind = str(request.param)
    host = docker_host_for(kind, request)
    with Cells(kind, ("python-light", "python-data", "node", "shell"), docker_host=host) as cells:
        layers = {layer.name: layer for layer in cells.do(cells.backend.probe()).layers}
        assert layers["cgroup"].enforced
        yield cells


def test_who_gets_nowhere_is_ended_and_who_gets_along_is_not(cells: Cells) -> None:
    async def work() -> list[Run]:
        specs = [python(REFUSED + rest, limits=LIMITS) for rest in ENDS]
        return list(await asyncio.gather(*map(cells.run, specs)))

    for run, (rest, stopped_by) in zip(cells.do(work()), ENDS.items(), strict=True):
        assert run.exit.process_limit_hit, rest
        assert run.stderr == b"refused\n", rest
        assert run.exit.stopped_by == stopped_by, (rest, run)
        assert run.exit.wall_time_ms < AT_ONCE_MS, rest


def test_a_shell_that_tries_again_for_long_is_ended(cells: Cells) -> None:
    """Bash waits 1, 2, 4 and 8 s before it gives up. Source: bash, jobs.c, make_child()"""
    script = "for n in 1 2 3 4 5 6; do sleep 60 & done; wait"
    spec = ProcessSpec("exec", "main.sh", ("bash", "-c", script), limits=LIMITS)
    run = cells.do(cells.run(spec, "shell"))
    assert run.exit.stopped_by == "processes", run
    assert run.exit.wall_time_ms < AT_ONCE_MS


@pytest.mark.parametrize("processes", [1, 4, 16])
def test_a_worker_of_node_is_refused_by_whom_counts_it(cells: Cells, processes: int) -> None:
    """Its process has more threads than that when it is given its program."""
    source = (
        "const { Worker } = require('worker_threads');\n"
        "for (let n = 0; n < 20; n++) new Worker('setInterval(() => 0, 99)', { eval: true });\n"
    )
    spec = ProcessSpec(
        "in_place", "main.js", (), (SourceFile("main.js", source.encode()),),
        limits=replace(LIMITS, processes=processes),
    )  # fmt: skip
    run = cells.do(cells.run(spec, "node"))
    assert run.exit.process_limit_hit, run
    assert run.exit.exit_code != 0
    assert b"ERR_WORKER_INIT_FAILED" in run.stderr or run.exit.stopped_by == "processes", run
    assert run.exit.wall_time_ms < AT_ONCE_MS


def test_a_matrix_product_needs_no_thread_that_could_be_refused(cells: Cells) -> None:
    source = "import numpy as np\nprint((np.ones((400, 400)) @ np.ones((400, 400))).sum())"
    spec = python(source, limits=replace(LIMITS, processes=1))
    run = cells.do(cells.run(spec, "python-data"))
    assert run.stdout == b"64000000.0\n", run
    assert run.exit.exit_code == 0


def test_linear_algebra_that_was_refused_its_threads_is_ended(cells: Cells) -> None:
    """It spins until the thread begins that it could not start."""
    source = (
        "import ctypes, numpy as np\n"
        "place = next(x.split()[-1] for x in open('/proc/self/maps') if 'openblas' in x)\n"
        "ctypes.CDLL(place).scipy_openblas_set_num_threads64_(4)\n"
        "print((np.ones((400, 400)) @ np.ones((400, 400))).sum())"
    )
    spec = python(source, limits=replace(LIMITS, processes=1))
    run = cells.do(cells.run(spec, "python-data"))
    assert run.exit.stopped_by == "processes", run
    assert run.exit.wall_time_ms < AT_ONCE_MS
