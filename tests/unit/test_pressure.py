"""How memory is judged, and what is read for it, from files of the test's own."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.sandbox.mechanisms.pressure import (
    MAX_FILE_BYTES,
    MIB,
    Memory,
    MemoryWatch,
    Reading,
    judge,
)

GIB = 1024 * MIB
PLENTY, TIGHT, SHORT = Memory.PLENTY, Memory.TIGHT, Memory.SHORT
PSI = "some avg10={} avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0 avg300=0 total=0\n"
ROWS = st.one_of(st.none(), st.integers(0, 64 * GIB))
READINGS = st.builds(Reading, st.one_of(st.none(), st.floats(0, 100)), ROWS, ROWS, ROWS, ROWS)


@pytest.mark.parametrize(
    ("before", "percent", "then"),
    [
        (PLENTY, 0.0, PLENTY),
        (PLENTY, 9.9, PLENTY),
        (PLENTY, 10.0, TIGHT),
        (TIGHT, 5.0, TIGHT),
        (TIGHT, 4.9, PLENTY),
        (PLENTY, 30.0, SHORT),
        (TIGHT, 29.9, TIGHT),
        (SHORT, 15.0, SHORT),
        (SHORT, 14.9, TIGHT),
        (SHORT, 4.9, PLENTY),
    ],
)
def test_stalls(before: Memory, percent: float, then: Memory) -> None:
    assert judge(before, Reading(stalled_percent=percent)) is then


@pytest.mark.parametrize("of_cgroup", [False, True])
@pytest.mark.parametrize(
    ("before", "left_mib", "whole_mib", "then"),
    [
        (PLENTY, 1024, 64 * 1024, PLENTY),
        (PLENTY, 1023, 64 * 1024, TIGHT),
        (PLENTY, 511, 64 * 1024, SHORT),
        (TIGHT, 1535, 64 * 1024, TIGHT),
        (TIGHT, 1536, 64 * 1024, PLENTY),
        (SHORT, 767, 64 * 1024, SHORT),
        (SHORT, 768, 64 * 1024, TIGHT),
        (PLENTY, 100, 1000, PLENTY),
        (PLENTY, 99, 1000, TIGHT),
        (PLENTY, 49, 1000, SHORT),
        (PLENTY, 0, 0, PLENTY),
    ],
)
def test_what_is_left(
    before: Memory, left_mib: int, whole_mib: int, then: Memory, of_cgroup: bool
) -> None:
    left, whole = left_mib * MIB, whole_mib * MIB
    if of_cgroup:
        reading = Reading(room_bytes=left, bound_bytes=whole)
    else:
        reading = Reading(available_bytes=left, total_bytes=whole)
    assert judge(before, reading) is then


@pytest.mark.parametrize("before", list(Memory))
def test_nothing_known_changes_nothing(before: Memory) -> None:
    assert judge(before, Reading()) is before
    assert judge(before, Reading(available_bytes=1)) is before, "a part of what?"


def test_a_program_that_thrashes_within_its_own_bound_costs_others_nothing() -> None:
    assert judge(PLENTY, Reading(99.0, 16 * GIB, 64 * GIB)) is PLENTY
    assert judge(PLENTY, Reading(99.0, 16 * GIB, 64 * GIB, 3 * GIB, 12 * GIB)) is PLENTY
    assert judge(PLENTY, Reading(99.0, 15 * GIB, 64 * GIB)) is SHORT
    assert judge(PLENTY, Reading(99.0, 16 * GIB, 64 * GIB, 2 * GIB, 12 * GIB)) is SHORT


def test_the_worst_sign_decides() -> None:
    assert judge(PLENTY, Reading(0.0, 60 * GIB, 64 * GIB, MIB, GIB)) is SHORT


@given(st.sampled_from(Memory), READINGS)
def test_a_judgement_stands_while_nothing_changes(before: Memory, reading: Reading) -> None:
    first = judge(before, reading)
    assert judge(first, reading) is first


@given(READINGS)
def test_whoever_was_short_recovers_no_earlier(reading: Reading) -> None:
    assert judge(SHORT, reading) >= judge(TIGHT, reading) >= judge(PLENTY, reading)


def a_host(
    tmp_path: Path, psi: str | None, available_kib: str | None, membership: str = ""
) -> tuple[Path, Path]:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "pressure").mkdir(parents=True)
    (proc / "self").mkdir()
    (proc / "self/cgroup").write_text(membership)
    cgroups.mkdir(exist_ok=True)
    if psi is not None:
        (proc / "pressure/memory").write_text(psi)
    if available_kib is not None:
        text = f"MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: {available_kib} kB\n"
        (proc / "meminfo").write_text(text)
    return proc, cgroups


def test_reads_what_the_kernel_writes(tmp_path: Path) -> None:
    reading = MemoryWatch(*a_host(tmp_path, PSI.format("1.25"), "500000")).read()
    assert reading == Reading(1.25, 500_000 * 1024, 1_000_000 * 1024, None, None)


def test_reads_this_host() -> None:
    reading = MemoryWatch().read()
    assert reading.available_bytes is not None and reading.total_bytes is not None
    assert 0 < reading.available_bytes <= reading.total_bytes


@pytest.mark.parametrize(
    "psi",
    [
        "",
        "some",
        "some avg10=",
        "some avg10=nan",
        "some avg10=inf",
        "some avg10=-1",
        "some avg10=101",
        "some avg10=1e400",
        "full avg10=50",
        "\0\xff" * 100,
        "x" * (2 * MAX_FILE_BYTES),
    ],
)
@pytest.mark.parametrize("available", ["", "-1", "many", "9" * 40, "१"])
def test_what_makes_no_sense_is_not_known(tmp_path: Path, psi: str, available: str) -> None:
    watch = MemoryWatch(*a_host(tmp_path, psi, available))
    assert watch.read() == Reading(total_bytes=1_000_000 * 1024)
    watch.state = SHORT
    assert watch.look() is SHORT


def test_missing_files_tell_nothing(tmp_path: Path) -> None:
    watch = MemoryWatch(tmp_path / "none", tmp_path / "neither")
    assert watch.read() == Reading()
    assert watch.look() is PLENTY


def cgroup_v2(directory: Path, bound: str, used: int, cached: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.max").write_text(f"{bound}\n")
    (directory / "memory.current").write_text(f"{used}\n")
    (directory / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")


def test_the_least_room_of_all_cgroups_above_counts(tmp_path: Path) -> None:
    proc, cgroups = a_host(tmp_path, None, None, "0::/a/b\n")
    cgroup_v2(cgroups / "a", str(8 * GIB), 7 * GIB, 0)
    cgroup_v2(cgroups / "a/b", str(6 * GIB), 2 * GIB, 0)
    cgroup_v2(cgroups / "a/b/c", str(GIB), GIB, 0)
    watch = MemoryWatch(proc, cgroups)
    assert watch.read() == Reading(room_bytes=GIB, bound_bytes=8 * GIB)
    cgroup_v2(cgroups / "a", "max", 7 * GIB, 0)
    assert watch.read() == Reading(room_bytes=4 * GIB, bound_bytes=6 * GIB)


def test_pages_of_files_count_as_room(tmp_path: Path) -> None:
    proc, cgroups = a_host(tmp_path, None, None, "0::/a\n")
    cgroup_v2(cgroups / "a", str(4 * GIB), 4 * GIB, 3 * GIB)
    watch = MemoryWatch(proc, cgroups)
    assert watch.read().room_bytes == 3 * GIB
    assert watch.look() is PLENTY


def test_bounds_of_version_1(tmp_path: Path) -> None:
    proc, cgroups = a_host(tmp_path, None, None, "9:cpu:/x\n4:memory:/a\n0::/\n")
    for place, bound in ((cgroups / "memory", 2**63 - 4096), (cgroups / "memory/a", GIB)):
        place.mkdir(parents=True)
        (place / "memory.limit_in_bytes").write_text(f"{bound}\n")
        (place / "memory.usage_in_bytes").write_text(f"{GIB // 2}\n")
        (place / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {GIB // 4}\n")
    watch = MemoryWatch(proc, cgroups)
    assert watch.read() == Reading(room_bytes=3 * GIB // 4, bound_bytes=GIB)


def test_a_container_that_sees_its_own_part_only(tmp_path: Path) -> None:
    proc, cgroups = a_host(tmp_path, None, None, "0::/not/in/sight\n")
    cgroup_v2(cgroups, str(GIB), GIB, 0)
    assert MemoryWatch(proc, cgroups).look() is SHORT


@pytest.mark.parametrize(
    "line", ["", "0", "::", "0::/../..", "4:memory:" + "/a" * 1000, "\xff:\0:"]
)
def test_a_strange_membership_does_no_harm(tmp_path: Path, line: str) -> None:
    assert MemoryWatch(*a_host(tmp_path, None, None, line)).read() == Reading()


def test_a_change_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vibecell")
    watch = MemoryWatch(*a_host(tmp_path, None, "500000"))
    for available, state in (("500000", PLENTY), ("40000", SHORT), ("500000", PLENTY)):
        (tmp_path / "proc/meminfo").write_text(
            f"MemTotal: 1000000 kB\nMemAvailable: {available} kB\n"
        )
        for _ in range(3):
            assert watch.look() is state
    said = [(record.levelname, record.getMessage().split(":")[0]) for record in caplog.records]
    assert said == [("WARNING", "memory is short"), ("INFO", "memory is plenty")]
