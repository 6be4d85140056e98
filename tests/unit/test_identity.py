"""A uid and a cgroup go to the next cell only when nobody of the last is left under them."""

import asyncio
from typing import cast

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.host import identity
from vibecell.sandbox.host.identity import CellIdentity, release_unborn
from vibecell.sandbox.mechanisms.cgroup import Cgroup


class Inhabited:
    """A cgroup whose members die at so many kills; none at all where that is ``None``."""

    def __init__(self, members: int, kills_needed: int | None) -> None:
        self.members = members
        self.kills_needed = kills_needed

    def processes(self) -> int:
        return self.members

    def kill(self) -> None:
        if self.kills_needed is not None:
            self.kills_needed -= 1
            if self.kills_needed <= 0:
                self.members = 0


class Released:
    """What was given back, and how many were in the cgroup at that moment."""

    def __init__(self, cgroup: Inhabited) -> None:
        self.told: list[tuple[str, int]] = []
        self.identity = CellIdentity(
            7,
            cast(Cgroup, cgroup),
            None,
            lambda: self.told.append(("uid", cgroup.members)),
            lambda each: self.told.append(("cgroup", each.processes())),
            lambda each: self.told.append(("removed", each.processes())),
        )


@pytest.mark.parametrize(("members", "kills"), [(0, 0), (1, 1), (3, 4)])
def test_whoever_is_left_is_ended_before_anything_is_given_back(members: int, kills: int) -> None:
    released = Released(Inhabited(members, kills))
    asyncio.run(released.identity.release())
    assert released.told == [("cgroup", 0), ("uid", 0)]


def test_what_cannot_be_emptied_is_never_given_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(identity, "EMPTY_DEADLINE_S", 0.02)
    released = Released(Inhabited(2, None))
    with pytest.raises(SandboxFailure, match="not empty"):
        asyncio.run(released.identity.release())
    assert released.told == [("removed", 2)], "who removes it tries again, and nobody gets it"
    asyncio.run(release_unborn(released.identity))
    assert "uid" not in dict(released.told)
    assert "is not used again" in caplog.text


def test_a_cell_that_never_was_gives_its_cgroup_to_nobody() -> None:
    """Its zygote may fork it yet, and holds the way in."""
    released = Released(Inhabited(0, 0))
    asyncio.run(release_unborn(released.identity))
    assert released.told == [("removed", 0), ("uid", 0)]
