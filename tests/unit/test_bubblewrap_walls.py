"""What walls of bubblewrap need, and what is left where one does not come to stand."""

import asyncio
import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from unit.descriptors import open_descriptors
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox.bubblewrap import bwrap
from vibecell.sandbox.bubblewrap.bubblewrap_walls import BubblewrapWalls
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.host.wall_bounds import WallBounds

PROGRAMS = bwrap.Programs(bubblewrap="/usr/bin/bwrap", prlimit="/usr/bin/prlimit")
BOUNDS = WallBounds(
    memory_bytes=1 << 29, processes=12, with_programs=76, user_processes=76, cpus=1.0
)


def share_of(closed: list[Share], bounds: WallBounds = BOUNDS) -> Share:
    return Share(None, bounds, None, None, closed.append)


@pytest.mark.parametrize(
    ("uid", "programs", "missing"),
    [
        (0, (), "bwrap"),
        (0, ("bwrap",), "prlimit"),
        (1000, (), "bwrap"),
        (1000, ("bwrap",), None),
        (0, ("bwrap", "prlimit"), None),
    ],
)
def test_the_program_that_is_missing_is_named(
    uid: int,
    programs: tuple[str, ...],
    missing: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in programs:
        (tmp_path / name).touch(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    walls = BubblewrapWalls(tmp_path, str(tmp_path))
    if missing is None:
        assert asyncio.run(walls.prepare())
        return
    with pytest.raises(SandboxFailure, match=f"the program {missing}"):
        asyncio.run(walls.prepare())


@pytest.mark.parametrize("says", ["", "echo nonsense >&2", "sleep 0.05"])
def test_a_wall_that_does_not_come_to_stand_leaves_nothing(says: str, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{says}\nexit 1\n")
    program.chmod(0o755)
    closed: list[Share] = []

    async def scenario() -> None:
        walls = BubblewrapWalls(tmp_path, str(tmp_path))
        before = open_descriptors()
        with pytest.raises(SandboxFailure, match="bubblewrap"):
            await walls.build(WarmProfile("any"), share_of(closed))
        await asyncio.sleep(0)
        assert not open_descriptors() - before

    asyncio.run(scenario())
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("highest", "most", "is_lowered"),
    [
        (resource.RLIM_INFINITY, 76, True),
        (1000, 76, True),
        (50, 76, False),
        (1000, None, False),
    ],
)
def test_no_limit_is_raised(
    highest: int, most: int | None, is_lowered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would take a privilege which the user of a wall has not."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (highest, highest))
    share = share_of([], replace(BOUNDS, user_processes=most))
    lowering = ["/usr/bin/prlimit", "--nproc=76:76"] if is_lowered else []
    assert bwrap._command(PROGRAMS, share) == [*lowering, "/usr/bin/bwrap"]
