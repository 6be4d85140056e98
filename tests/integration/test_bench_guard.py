"""A short benchmark: a change that costs half of what was won is noticed.

Only ratios to the reference, taken in turns on the same machine, and only
half of the goals: the machine may be slow and noisy, the tree may not.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from bench.case import open_bench
from bench.guard import MEASURES, guarded
from host import lacking
from vibecell.config import Settings


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MEASURES)
def test_a_run_keeps_half_of_its_goal(name: str, settings: Settings) -> None:
    if os.environ.get("VIBECELL_TEST_URL"):
        pytest.skip("compares services of its own, not a live one")
    if not shutil.which("bwrap", path=f"{os.defpath}:/usr/bin:{Path(sys.executable).parent}"):
        lacking("bubblewrap")
    bench, image = open_bench(settings, True, print)
    try:
        found = guarded(bench, MEASURES[name])
    finally:
        image.release()
    print(found.text())
    assert found.best.passed, found.text()
