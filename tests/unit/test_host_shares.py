"""What a wall gets of the host goes to no other wall before it was given back whole."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from vibecell.config import Settings
from vibecell.model.capabilities import Wall
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.host import shares
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE, MAX_BLOCKS

from .test_cgroup import hosted, manager, root  # noqa: F401


@pytest.fixture
def host(root: Path, monkeypatch: pytest.MonkeyPatch) -> Host:  # noqa: F811
    monkeypatch.setattr("os.geteuid", lambda: 0)
    cgroups = manager(root, hosted(root, "v2"))
    monkeypatch.setattr(shares, "CgroupManager", lambda parent_name: cgroups)
    return Host(Settings(cell_cpus=0.5))


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(test())


def test_walls_differ_in_their_uids(host: Host) -> None:
    async def test() -> None:
        shares = [host.share("shared", maps_uids=True) for _ in range(MAX_BLOCKS)]
        first = {share.uids.first for share in shares if share.uids is not None}
        assert len(first) == MAX_BLOCKS
        with pytest.raises(SandboxFailure, match="no block of uids is free"):
            host.share("shared", maps_uids=True)
        shares[7].close()
        shares[7].close()
        assert host.share("shared", maps_uids=True).uids == shares[7].uids
        with pytest.raises(SandboxFailure, match="no block of uids is free"):
            host.share("shared", maps_uids=True)
        host.close()

    run(test)


def test_a_wall_that_can_map_none_has_one_uid(host: Host) -> None:
    async def test() -> None:
        share = host.share("shared", maps_uids=False)
        assert share.uids is None
        assert [share.new_identity().uid for _ in range(2)] == [0, 0]
        host.close()

    run(test)


@pytest.mark.parametrize(("wall", "cpus"), [("shared", "max 100000"), ("fresh", "50000 100000")])
def test_a_wall_has_a_cgroup_of_its_own_with_its_bounds(
    host: Host,
    root: Path,  # noqa: F811
    wall: Wall,
    cpus: str,
) -> None:
    async def test() -> None:
        share = host.share(wall, maps_uids=True)
        assert not list(root.rglob("wall-*")), "a container has its bounds from its daemon"
        assert share.new_wall_cgroup() is not None
        (directory,) = root.rglob("wall-*")
        wanted = {
            "memory.max": str(share.bounds.memory_bytes),
            "memory.oom.group": "0",
            "pids.max": str(share.bounds.processes),
            "cpu.max": cpus,
        }
        assert {name: (directory / name).read_text() for name in wanted} == wanted
        share.close()
        assert not list(root.rglob("wall-*"))
        host.close()

    run(test)


def test_all_walls_have_no_more_processes_together_than_each_may_have(
    host: Host,
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody who is moved into a cgroup is refused there, but nobody leaves the one of all."""

    async def test() -> None:
        shares = [host.share("shared", maps_uids=True), host.share("fresh", maps_uids=False)]
        each = [share.bounds.with_programs for share in shares]
        assert each[0] > each[1] > shares[1].bounds.processes
        (bound,) = root.glob("*/pids.max")
        assert int(bound.read_text()) == sum(each)
        shares[0].close()
        shares[0].close()
        assert int(bound.read_text()) == each[1]
        with monkeypatch.context() as patch:
            patch.setattr(CgroupManager, "bound_processes", refusing)
            with pytest.raises(SandboxFailure, match="bound all walls together"):
                host.share("shared", maps_uids=True)
        assert host.share("shared", maps_uids=True).uids == shares[0].uids, "given back"
        host.close()

    run(test)


def refusing(*_: object, **__: object) -> None:
    raise OSError("no")


def test_a_wall_whose_cgroup_cannot_be_bounded_is_not_made(
    host: Host,
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        share = host.share("shared", maps_uids=True)
        monkeypatch.setattr(Cgroup, "bound", refusing)
        with pytest.raises(SandboxFailure, match="make a cgroup of a wall"):
            share.new_wall_cgroup()
        share.close()
        assert not list(root.rglob("wall-*"))
        host.close()

    run(test)


def test_a_wall_whose_cgroup_does_not_empty_gives_nothing_back(
    host: Host,
    root: Path,  # noqa: F811
) -> None:
    async def test() -> None:
        share = host.share("shared", maps_uids=True)
        share.new_wall_cgroup()
        (members,) = root.rglob("wall-*/cgroup.procs")
        members.write_text("1234\n")
        share.close()
        assert (members.parent / "cgroup.kill").read_text() == "1", "whoever is left is ended"
        assert host.share("shared", maps_uids=True).uids != share.uids
        members.write_text("")
        share.close()
        assert host.share("shared", maps_uids=True).uids == share.uids
        host.close()

    run(test)


def test_where_no_cgroups_are_wanted_a_wall_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)

    async def test() -> None:
        host = Host(Settings(require_cgroups=False))
        share = host.share("shared", maps_uids=True)
        assert share.new_wall_cgroup() is None
        host.close()

    run(test)


def test_a_wall_whose_uids_are_used_up_says_so(host: Host) -> None:
    async def test() -> None:
        share = host.share("shared", maps_uids=True)
        assert share.uids is not None
        for _ in range(BLOCK_SIZE - 1):
            share.uids.take()
        with pytest.raises(SandboxFailure, match="take a uid"):
            share.new_identity()
        host.close()

    run(test)


def test_a_used_cgroup_stays_with_the_wall_it_was_used_behind(
    host: Host,
    root: Path,  # noqa: F811
) -> None:
    """Whoever took that wall's zygote may hold a way into it."""

    async def test() -> None:
        one, other = host.share("shared", maps_uids=True), host.share("shared", maps_uids=True)
        used = one.new_identity()
        (peak,) = root.rglob("cell-*/pids.peak")
        peak.write_text("1")  # as a process was in it
        await used.release()
        assert other.new_identity().cgroup is not used.cgroup
        again = one.new_identity()
        assert again.cgroup is used.cgroup, "but is used again there"
        await again.release()
        one.close()
        assert len(list(root.rglob("cell-*"))) == 1, "that of the other wall"
        host.close()

    run(test)


def test_a_cell_whose_cgroup_cannot_be_made_leaves_its_uid_to_the_next(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        share = host.share("shared", maps_uids=True)
        with monkeypatch.context() as patch:
            patch.setattr(CgroupManager, "create", refusing)
            for _ in range(3):
                with pytest.raises(SandboxFailure, match="make a cgroup"):
                    share.new_identity()
        identity = share.new_identity()
        assert identity.uid == 1
        await identity.release()
        host.close()

    run(test)
