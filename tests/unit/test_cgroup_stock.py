"""Used cgroups are given out again only when nothing tells that they were used."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from vibecell.sandbox.mechanisms import cgroup_stock
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import CgroupStock

from .descriptors import open_descriptors
from .test_cgroup import hosted, manager, root  # noqa: F401

Scenario = Callable[[CgroupStock, Path], Awaitable[None]]


def run(root: Path, version: str, scenario: Scenario) -> None:  # noqa: F811
    """Run with a stock on an imitated host; nothing may be left after its end."""

    async def whole() -> None:
        cgroups = manager(root, hosted(root, version))
        assert cgroups.usable(), cgroups.reason
        before = open_descriptors()
        stock = CgroupStock(cgroups, memory_bytes=1 << 26, processes=7, cpus=1.0)
        try:
            await scenario(stock, root)
        finally:
            stock.close()
            stock.close()
        assert open_descriptors() <= before, "every descriptor is closed"
        cgroups.close()
        assert not list(root.rglob("cell-*"))

    asyncio.run(whole())


def files(root: Path, name: str) -> list[Path]:  # noqa: F811
    found = list(root.glob(f"**/cell-*/{name}"))
    assert found
    return found


def used(root: Path, stock: CgroupStock) -> Cgroup:  # noqa: F811
    """A cgroup in which one process was and ended."""
    cgroup, _ = stock.take()
    for peak in files(root, "pids.peak"):
        peak.write_text("1")
    return cgroup


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_a_used_cgroup_is_given_out_again(root: Path, version: str) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first = used(root, stock)
        stock.give_back(first)
        again, alarm = stock.take()
        assert again is first
        assert (alarm is None) == (version == "v2")
        stock.give_back(again)

    run(root, version, scenario)


@pytest.mark.parametrize(
    ("name", "content"),
    [("pids.peak", "2"), ("pids.current", "1")],
    ids=["had several processes", "somebody waits to be reaped"],
)
@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_what_tells_of_its_use_is_removed(
    root: Path,  # noqa: F811
    version: str,
    name: str,
    content: str,
) -> None:
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first = used(root, stock)
        for file in files(root, name):
            file.write_text(content)
        stock.give_back(first)
        assert not list(root.rglob("cell-*"))
        assert stock.take()[0] is not first

    run(root, version, _and_give_back(scenario))


def test_what_is_still_charged_must_be_little(root: Path) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first = used(root, stock)
        stock.give_back(first)
        for file in files(root, "memory.usage_in_bytes"):
            file.write_text(str(cgroup_stock.MAX_RESIDUE_BYTES + 1))
        assert stock.take()[0] is not first

    run(root, "hybrid", _and_give_back(scenario))


def test_a_peak_that_cannot_be_set_back_makes_it_used_for_ever(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening = os.open

    def refusing(path: str, flags: int, *args: int) -> int:
        if str(path).endswith("memory.peak") and flags & os.O_RDWR:
            raise PermissionError(path)
        return opening(path, flags, *args)

    async def scenario(stock: CgroupStock, root: Path) -> None:
        monkeypatch.setattr(os, "open", refusing)
        first = used(root, stock)
        assert first.memory_peak_bytes() == 4096
        stock.give_back(first)
        assert not list(root.rglob("cell-*"))

    run(root, "v2", scenario)


def test_a_group_below_it_makes_it_used_for_ever(root: Path) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first = used(root, stock)
        (below,) = (d / "below" for d in root.glob("memory/*/cell-*"))
        os.mkdir(below)
        assert not first.is_as_new()
        os.rmdir(below)
        stock.give_back(first)

    run(root, "v1", scenario)


def test_limits_of_the_last_program_do_not_stay(root: Path) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first = used(root, stock)
        first.set_limits(memory_bytes=1 << 20, processes=2)
        stock.give_back(first)
        assert stock.take()[0] is first
        (memory,) = files(root, "memory.limit_in_bytes")
        (pids,) = files(root, "pids.max")
        assert (memory.read_text(), pids.read_text()) == (str(1 << 26), "7")
        stock.give_back(first)

    run(root, "v1", scenario)


def test_an_alarm_of_before_is_not_told_to_who_comes_next(root: Path) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first, alarm = stock.take()
        assert alarm is not None
        told: list[str] = []
        alarm.call = lambda: told.append("first")
        for peak in files(root, "pids.peak"):
            peak.write_text("1")
        os.eventfd_write(alarm._notified, 1)
        stock.give_back(first)
        again, alarm = stock.take()
        assert again is first and alarm is not None
        alarm.call = lambda: told.append("second")
        await asyncio.sleep(0.01)
        assert told == []
        os.eventfd_write(alarm._notified, 1)
        await asyncio.sleep(0.01)
        assert told == ["second"]
        stock.give_back(again)

    run(root, "v1", scenario)


def test_nobody_listens_to_an_alarm_that_is_given_out_again(root: Path) -> None:  # noqa: F811
    async def scenario(stock: CgroupStock, root: Path) -> None:
        first, alarm = used(root, stock), next(iter(stock._alarms.values()))
        alarm.call = lambda: None
        stock.give_back(first)
        assert stock.take() == (first, alarm)
        assert alarm.call is None

    run(root, "v1", _and_give_back(scenario))


def test_what_nobody_wants_is_removed_soon(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroup_stock, "LINGER_S", 0.05)

    async def scenario(stock: CgroupStock, root: Path) -> None:
        stock.give_back(used(root, stock))
        assert list(root.rglob("cell-*"))
        await asyncio.sleep(0.2)
        assert not list(root.rglob("cell-*"))

    run(root, "hybrid", scenario)


def test_who_comes_into_a_used_cgroup_is_killed_and_it_is_removed(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A zygote that was taken over may keep the way into the cgroup of a cell that has ended."""
    monkeypatch.setattr(cgroup_stock, "LINGER_S", 0.05)

    async def scenario(stock: CgroupStock, root: Path) -> None:
        stock.give_back(used(root, stock))
        (memory,) = root.glob("memory/*/cell-*/cgroup.procs")
        with subprocess.Popen(["sleep", "60"]) as intruder:
            memory.write_text(str(intruder.pid))
            began_s = time.monotonic()
            while intruder.poll() is None:
                assert time.monotonic() - began_s < 30
                await asyncio.sleep(0.01)
        assert list(root.rglob("cell-*")), "it is in use, says the kernel"
        assert stock.take()[0]._memory != memory.parent, "it serves nobody"
        memory.write_text("")
        stock.close()
        assert not memory.exists()

    run(root, "hybrid", _and_give_back(scenario))


def test_no_more_are_kept_than_allowed(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroup_stock, "MAX_SPARE", 1)

    async def scenario(stock: CgroupStock, root: Path) -> None:
        taken = [used(root, stock) for _ in range(3)]
        for cgroup in taken:
            stock.give_back(cgroup)
        assert len(list(root.glob("pids/*/cell-*"))) == 1

    run(root, "v1", scenario)


def _and_give_back(scenario: Scenario) -> Scenario:
    """What a scenario has taken and kept is given back once the stock is closed."""

    async def whole(stock: CgroupStock, root: Path) -> None:  # noqa: F811
        taken: list[Cgroup] = []
        take = stock.take

        def taking() -> tuple[Cgroup, cgroup_stock.OomAlarm | None]:
            given = take()
            taken.append(given[0])
            return given

        stock.take = taking  # type: ignore[method-assign]
        await scenario(stock, root)
        stock.close()
        stock.give_back(taken[-1])

    return whole
