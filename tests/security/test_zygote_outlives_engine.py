"""A zygote that was taken over may ask the kernel not to end it with who has started it.

The engine ends it as long as it lives itself (``test_taken_zygote_and_engine.py``). Here
the engine is killed, and the next one has the same uids to give.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.cells import Cells, cell_cgroups
from host import lacking
from integration.crashes_service import SOURCES, processes, until
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE, MAX_BLOCKS

from . import engine_that_dies
from .taken_cells import taken_processes

UID_BASE = 1_988_000_000


@pytest.mark.parametrize("kind", ["bubblewrap-shared", "bubblewrap-fresh"])
def test_it_is_ended_by_the_next_engine(kind: str, prepared: object, tmp_path: Path) -> None:
    """It hears of no end: the cgroups of its wall are what leads the next engine to it."""
    if os.geteuid() != 0:
        lacking("root, to have cgroups")
    command = [sys.executable, "-m", engine_that_dies.__name__, kind, str(UID_BASE)]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (SOURCES, SOURCES.parent / "tests"))),
        "TMPDIR": str(tmp_path),
    }
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as engine:
        try:
            assert engine.stdout is not None
            assert engine.stdout.readline() == b"begun\n"
        finally:
            engine.kill()
    assert until(lambda: not living("bwrap")), "who is told of the end goes"
    assert living(engine_that_dies.NAME), "nothing is proved by one that goes by itself"
    with Cells(kind, ("python-light",), uid_base=UID_BASE) as cells:
        assert cells.run_python("print('next')").stdout == b"next\n"
        assert until(lambda: not taken_processes(engine_that_dies.NAME))
        assert cell_cgroups(engine.pid) == set()


def living(name: str) -> list[int]:
    """Processes of the uids in question, by their name; none that waits to be reaped."""
    uids = range(UID_BASE, UID_BASE + MAX_BLOCKS * BLOCK_SIZE)
    return [p.pid for p in processes().values()
            if p.uid in uids and p.name == name and p.state != "Z"]  # fmt: skip
