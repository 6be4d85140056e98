"""Both versions of cgroups behind one interface, on an imitated file system."""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vibecell.sandbox.mechanisms import cgroup_files, cgroup_layout
from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager

COMMON = {"cgroup.procs": ""}
V1 = {
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
        "memory.usage_in_bytes": "0",
        "memory.memsw.usage_in_bytes": "0",
        "memory.max_usage_in_bytes": "0",
        "memory.swappiness": "60",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
        "cgroup.event_control": "",
    },
    "pids": {"pids.max": "max", "pids.events": "max 0\n", "pids.peak": "3", "pids.current": "0"},
    "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"},
    "cpuacct": {"cpuacct.usage": "1234567"},
}
V2 = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.peak": "4096",
    "memory.current": "4096",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    "pids.max": "max",
    "pids.events": "max 0\n",
    "pids.peak": "3",
    "pids.current": "0",
    "cpu.max": "max 100000",
    "cpu.stat": "usage_usec 1234\nuser_usec 1\nsystem_usec 1\n",
    "cgroup.controllers": "cpu memory pids",
    "cgroup.subtree_control": "",
    "cgroup.type": "domain",
    "cgroup.kill": "",
}
UNIFIED_ONLY = {"cgroup.controllers": "", "cgroup.subtree_control": "", "cgroup.kill": ""}


def fill(directory: Path, files: dict[str, str]) -> None:
    for name, content in {**COMMON, **files}.items():
        (directory / name).write_text(content)


def files_for(root: Path, directory: Path) -> dict[str, str]:
    first = directory.relative_to(root).parts[0] if directory != root else ""
    if first in V1:
        return V1[first]
    return UNIFIED_ONLY if first == "unified" else V2


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where making a directory fills it, as a cgroup file system does."""
    top = tmp_path / "cgroup"
    top.mkdir()
    mkdir, rmdir = Path.mkdir, Path.rmdir

    def making(self: Path, exist_ok: bool = False) -> None:
        existed = self.exists()
        mkdir(self, exist_ok=exist_ok)
        if top in self.parents and not existed:
            fill(self, files_for(top, self))

    def removing(self: Path) -> None:
        if top in self.parents and self.is_dir():
            if (self / "cgroup.procs").read_text() or any(c.is_dir() for c in self.iterdir()):
                raise OSError(errno.EBUSY, "busy")
            for child in self.iterdir():
                child.unlink()
        rmdir(self)

    monkeypatch.setattr(Path, "mkdir", making)
    monkeypatch.setattr(Path, "rmdir", removing)
    monkeypatch.setattr(cgroup_files, "_REMOVE_PAUSE_S", 0.0)
    yield top


def hosted(root: Path, version: str) -> Path:
    """Imitate a host of this version; return the text of /proc/self/cgroup as a file."""
    membership = root.parent / "membership"
    if version == "v2":
        fill(root, {k: v for k, v in V2.items() if k != "cgroup.type"})
        membership.write_text("0::/\n")
        return membership
    for controller in V1:
        (root / controller).mkdir()
    lines = [f"{n}:{controller}:/\n" for n, controller in enumerate(V1, 1)]
    if version == "hybrid":
        (root / "unified").mkdir()
        lines.append("0::/\n")
    membership.write_text("".join(lines))
    return membership


def manager(root: Path, membership: Path) -> CgroupManager:
    return CgroupManager("test", root=root, membership=membership)


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_life_of_a_cell(root: Path, version: str) -> None:
    cgroups = manager(root, hosted(root, version))
    assert cgroups.usable(), cgroups.reason
    assert cgroups.version == f"cgroup {version}"
    cell = cgroups.create("cell-1")
    cell.set_limits(memory_bytes=1 << 20, processes=7, cpus=0.5)
    assert len(cell.join_descriptors()) == {"v1": 4, "v2": 1, "hybrid": 5}[version]
    assert cell.usage().cpu_time_ns == (1_234_000 if version == "v2" else 1_234_567)
    assert cell.processes() == 0
    cell.remove()
    cell.remove()
    cgroups.close()
    assert not list(root.rglob("test.*"))


def test_what_was_made_below_a_cgroup_goes_with_it(root: Path) -> None:
    """By whoever was behind a wall, with a cgroup of his user's."""
    cgroups = manager(root, hosted(root, "v2"))
    assert cgroups.usable(), cgroups.reason
    wall = cgroups.create("wall")
    (directory,) = root.rglob("wall")
    for name in ("a", "a/b", "a/b/c", "d"):
        (directory / name).mkdir()
    wall.remove()
    assert not directory.exists()


def test_a_stray_that_stays_keeps_no_other_from_being_reaped(root: Path) -> None:
    cgroups = manager(root, hosted(root, "v2"))
    assert cgroups.usable(), cgroups.reason
    former = root / "test.1"
    former.mkdir()
    for name in ("cell-1", "cell-2", "cell-3"):
        (former / name).mkdir()
    (former / "cell-2" / "cgroup.procs").write_text("4194303\n")
    with pytest.raises(OSError, match="busy"):
        cgroups.reap_strays()
    assert [x.name for x in former.iterdir() if x.is_dir()] == ["cell-2"]
    (former / "cell-2" / "cgroup.procs").write_text("")
    assert cgroups.reap_strays() == 1
    assert not former.exists()


@pytest.mark.parametrize(("version", "hierarchies"), [("v1", 4), ("v2", 1), ("hybrid", 5)])
def test_a_process_is_moved_in_every_hierarchy(root: Path, version: str, hierarchies: int) -> None:
    cgroups = manager(root, hosted(root, version))
    assert cgroups.usable(), cgroups.reason
    cgroups.create("wall").admit(1234)
    members = [path.read_text() for path in root.rglob("wall/cgroup.procs")]
    assert members == ["1234"] * hierarchies


def test_limits_on_v2(root: Path) -> None:
    cgroups = manager(root, hosted(root, "v2"))
    assert cgroups.usable()
    cgroups.create("cell").set_limits(1 << 20, 7, 0.5)
    (directory,) = root.glob("test.*/cell")
    wanted = {
        "memory.max": "1048576",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "7",
        "cpu.max": "50000 100000",
    }
    assert {name: (directory / name).read_text() for name in wanted} == wanted


@pytest.mark.parametrize(("limit", "order"), [(1 << 20, ["limit", "memsw"]), (1 << 62, ["memsw"])])
def test_v1_never_lets_memory_alone_exceed_memory_with_swap(
    root: Path, limit: int, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable()
    cell = cgroups.create("cell")
    (directory,) = root.glob("memory/test.*/cell")
    (directory / "memory.memsw.limit_in_bytes").write_text(str(1 << 40))
    written: list[str] = []
    real = cgroup_files.write

    def recording(path: Path, value: int | str) -> None:
        written.append(path.name)
        real(path, value)

    monkeypatch.setattr(cgroup_files, "write", recording)
    monkeypatch.setattr("vibecell.sandbox.mechanisms.cgroup_cell.write", recording)
    cell.set_limits(limit, 7)
    limits = [name.split(".")[1].split("_")[0] for name in written if "limit" in name]
    assert limits[: len(order)] == order
    assert (directory / "memory.limit_in_bytes").read_text() == str(limit)
    assert (directory / "memory.memsw.limit_in_bytes").read_text() == str(limit)


def test_a_v1_limit_below_use_is_set_as_low_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, usage = tmp_path / "limit", tmp_path / "usage"
    limit.write_text("")
    usage.write_text("8192")

    def refusing(path: Path, value: int | str) -> None:
        if int(value) < 8192:
            raise OSError(errno.EBUSY, "busy")
        path.write_text(str(value))

    monkeypatch.setattr(cgroup_files, "write", refusing)
    cgroup_files.lower_limit(limit, usage, 4096)
    assert int(limit.read_text()) == 8192 + 4096


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_hits_are_counted_from_the_last_limits(root: Path, version: str) -> None:
    cgroups = manager(root, hosted(root, version))
    assert cgroups.usable()
    cell = cgroups.create("cell")
    if version == "v2":
        (memory,) = root.glob("test.*/cell")
        pids = memory
        events = memory / "memory.events"
    else:
        (memory,), (pids,) = root.glob("memory/test.*/cell"), root.glob("pids/test.*/cell")
        events = memory / "memory.oom_control"
    cell.set_limits(1 << 20, 7)
    assert not cell.memory_limit_hit() and not cell.process_limit_hit()
    events.write_text("oom_kill 1\n")
    (pids / "pids.events").write_text("max 2\n")
    assert cell.memory_limit_hit() and cell.process_limit_hit()
    cell.set_limits(1 << 20, 7)
    assert not cell.memory_limit_hit() and not cell.process_limit_hit()


def test_peak_of_processes_is_unknown_on_an_older_kernel(root: Path) -> None:
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable()
    cell = cgroups.create("cell")
    assert cell.usage().processes_peak == 3
    older = cgroups.create("older")
    for peak in root.glob("pids/test.*/older/pids.peak"):
        peak.unlink()
    assert older.usage().processes_peak is None


def test_a_cgroup_in_use_is_not_removed(root: Path) -> None:
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable()
    cell = cgroups.create("cell")
    (directory,) = root.glob("pids/test.*/cell")
    (directory / "cgroup.procs").write_text("1\n")
    assert cell.processes() == 1
    with pytest.raises(OSError, match="busy"):
        cell.remove()


def test_cells_are_made_beneath_the_place_given_to_us(root: Path) -> None:
    membership = hosted(root, "v1")
    (root / "memory" / "tenant").mkdir()
    text = membership.read_text().replace(":memory:/", ":memory:/tenant")
    membership.write_text(text.replace(":pids:/", ":pids:/not-visible-here"))
    cgroups = manager(root, membership)
    assert cgroups.usable()
    cgroups.create("cell")
    assert list(root.glob("memory/tenant/test.*/cell"))
    assert list(root.glob("pids/test.*/cell"))


def test_a_missing_controller_is_named(root: Path) -> None:
    membership = hosted(root, "v1")
    (root / "pids").rmdir()
    cgroups = manager(root, membership)
    assert not cgroups.usable()
    assert "pids" in cgroups.reason
    assert cgroups.version == "none"


def test_a_v2_container_moves_its_processes_into_a_leaf(root: Path) -> None:
    membership = hosted(root, "v2")
    (root / "cgroup.type").write_text("domain")
    cgroup_layout.discover(root, membership)
    assert (root / cgroup_layout.OWN_PROCESSES).is_dir()
    assert "+memory" in (root / "cgroup.subtree_control").read_text()


def test_strays_of_the_dead_are_reaped_and_those_of_the_living_kept(root: Path) -> None:
    cgroups = manager(root, hosted(root, "hybrid"))
    assert cgroups.usable()
    for number in (1, 2):
        for hierarchy in (*V1, "unified"):
            (root / hierarchy / f"test.{number}").mkdir()
            (root / hierarchy / f"test.{number}" / "cell").mkdir()
    living = os.open(root / "pids" / "test.2", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(living, fcntl.LOCK_EX)
    try:
        assert cgroups.reap_strays() == 1
    finally:
        os.close(living)
    assert not list(root.glob("*/test.1"))
    assert len(list(root.glob("*/test.2/cell"))) == 5


@pytest.mark.parametrize("name", ["", "..", "a/b", "/abs", "A", "cell\n", "-x"])
def test_names_that_mean_something_to_a_path_are_refused(root: Path, name: str) -> None:
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable()
    with pytest.raises(ValueError, match="not a name"):
        cgroups.create(name)


def test_killing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    Cgroup({"unified": tmp_path / "gone"}).kill()
    assert Cgroup({"unified": tmp_path / "gone"}).processes() == 0


@pytest.mark.parametrize(("version", "mounted"), [("v1", None), ("v2", "."), ("hybrid", "unified")])
def test_version_2_is_found_wherever_it_is_mounted(
    root: Path, version: str, mounted: str | None
) -> None:
    membership = hosted(root, version)
    expected = None if mounted is None else root / mounted
    assert cgroup_layout.unified_mount(root) == expected
    assert cgroup_layout.unified_place(root, membership) == expected
    if expected is not None:
        (expected / "mine").mkdir()
        membership.write_text("3:memory:/other\n0::/mine\n")
        assert cgroup_layout.unified_place(root, membership) == expected / "mine"
