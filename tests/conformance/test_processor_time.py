"""Processor time is held and told as the kernel counts it, within a tight ratio of the limit.

A busy machine makes a program slower, and does not make its processor time more: so what is
compared are two counts of the kernel's, never a clock on the wall.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import QUICK_LIMITS, Cells

LIMIT_MS = 1_000
LIMITS = replace(QUICK_LIMITS, cpu_time_ms=LIMIT_MS, wall_time_ms=60_000)
MOST = 1.5  # of the limit: to notice, and to end
# each process tells its own count, every now and then
TELLING = """
import os, time
for _ in range({more}):
    if os.fork() == 0:
        break
told_s = 0.0
while True:
    now_s = time.process_time()
    if now_s > told_s + 0.05:
        os.write(1, b"%d %d\\n" % (os.getpid(), now_s * 1000))
        told_s = now_s
"""


@pytest.fixture(scope="module", params=["counted in a cgroup", "sampled"])
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    sampled = request.param == "sampled"
    settings = {"require_cgroups": False} if sampled else {}
    with Cells("bubblewrap-shared", ("python-light",), bounds=(1, 1), **settings) as cells:
        yield cells


@pytest.mark.parametrize("processes", [1, 3])
def test_a_program_has_the_processor_time_it_was_granted_and_hardly_more(
    cells: Cells, processes: int
) -> None:
    """All its processes together, however many run at once."""
    run = cells.run_python(TELLING.format(more=processes - 1), limits=LIMITS)
    assert run.exit.stopped_by == "cpu_time"
    used_ms = run.exit.cpu_time_ms
    assert used_ms is not None
    assert LIMIT_MS <= used_ms <= LIMIT_MS * MOST
    own_ms = {int(x): int(y) for x, y in map(bytes.split, run.stdout.splitlines())}
    assert len(own_ms) == processes
    # a program was not told of the time since it last spoke, nor of its making
    assert LIMIT_MS * 0.7 <= sum(own_ms.values()) <= used_ms
    assert used_ms - sum(own_ms.values()) <= LIMIT_MS * MOST - LIMIT_MS * 0.7
