"""Many users at once, in short: nothing fails, nothing is wrong, nothing is left behind.

Never how fast: ``make load`` asks that, for minutes. Here a queue that holds few makes sure that
some are refused, and come again when they were told to.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.case import Bench, open_bench
from bench.leftovers import Family, host_mounts
from bench.load.owners import served_to
from bench.load.phases import mixed_phase
from bench.load.soak import soak_rows
from bench.rows import Goal
from host import lacking
from vibecell.config import Settings

OWNERS = [f"owner-{number}" for number in range(1, 9)]
CLIENTS = 40
SECONDS = 10.0
NARROW = {"queue_size": "12", "result_ttl_s": "15"}
EXECUTIONS = 2000
# Few executions tell a record that is kept of each, and no less.
GROWTH = Goal("most", 1000, "KB")


@pytest.fixture(scope="module")
def bench(settings: Settings) -> Iterator[Bench]:
    if os.environ.get("VIBECELL_TEST_URL"):
        pytest.skip("loads a service of its own, not a live one")
    if not shutil.which("bwrap", path=f"{os.defpath}:/usr/bin:{Path(sys.executable).parent}"):
        lacking("bubblewrap")
    found, image = open_bench(settings, True, print)
    yield found
    image.release()


@pytest.mark.timeout(240)
def test_forty_users_of_eight_owners_are_served_rightly_and_leave_nothing(bench: Bench) -> None:
    mounts = host_mounts()
    with served_to(bench, OWNERS, **NARROW) as owned:
        phase = mixed_phase(owned, CLIENTS, SECONDS)
        family = Family.of(owned.service)
    assert family.left_behind(mounts) == []
    for row in phase.right_rows("load"):
        assert row.passed, f"{row.label}: {row.measured}: {row.why}"
    tally = phase.tally
    assert set(tally.by_owner) == set(OWNERS), "somebody was never served"
    assert tally.right and tally.cancelled and tally.vanished and tally.refused


@pytest.mark.timeout(300)
def test_two_thousand_executions_leave_memory_descriptors_and_cgroups_as_they_were(
    bench: Bench,
) -> None:
    if os.geteuid() != 0:
        lacking("root, to look into gateway and engine")
    for row in soak_rows(bench, EXECUTIONS, blocks=6, goal=GROWTH):
        print(row.label, row.measured)
        assert row.passed, f"{row.label}: {row.measured}: {row.why}"
