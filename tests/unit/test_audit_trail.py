"""Acts on their way: bounded, never waited for, and told of where they are lost."""

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from vibecell.model.caller import DAY_S
from vibecell.model.errors import StoreUnavailable
from vibecell.sharing import audit_trail
from vibecell.sharing.audit import US_PER_S, AuditQuery, AuditRecord
from vibecell.sharing.audit_trail import (
    MAX_PAUSE_S,
    OVERDUE_S,
    PRUNE_INTERVAL_S,
    AuditBounds,
    AuditTrail,
)
from vibecell.sharing.memory_audit import MemoryAudit
from vibecell.sharing.sqlite_audit import FILE_NAME, SqliteAudit

NOW_S = 1_800_000_000.0
BOUNDS = AuditBounds(days=90, size_bytes=2**28)


class Disk(MemoryAudit):
    """An audit whose disk may be full."""

    is_full = False
    opened = 0

    def open(self) -> None:
        self.opened += 1
        if self.is_full:
            raise StoreUnavailable("open the audit", "no space left")

    def append(self, records: Sequence[AuditRecord]) -> None:
        if self.is_full:
            raise StoreUnavailable("write the audit", "no space left")
        super().append(records)


class Kept:
    """A trail, its disk and its clocks."""

    def __init__(self, bounds: AuditBounds = BOUNDS) -> None:
        self.disk = Disk()
        self.now_s, self.steady_s = NOW_S, 0.0
        self.trail = AuditTrail(self.disk, bounds, lambda: self.now_s, lambda: self.steady_s)

    def note(self, *names: str) -> None:
        for name in names:
            record = AuditRecord(at_us=self.trail.now_us(), act="execution", user=name)
            self.trail.note(record)

    def later(self, seconds: float) -> None:
        """Time goes on, and each second is written, as by who has a loop."""
        for _ in range(round(seconds)):
            self.now_s += 1
            self.steady_s += 1
            self.trail.write()

    def users(self) -> list[str | None]:
        return [record.user for record in self.disk.read(AuditQuery(act="execution"))]

    def lost(self) -> list[int | None]:
        return [record.count for record in self.disk.read(AuditQuery(act="records_lost"))]


def test_what_is_noted_is_written_in_its_order() -> None:
    kept = Kept()
    kept.note("ann", "bob")
    assert kept.users() == [], "nobody waits for a disk"
    kept.later(1)
    kept.note(*(f"user {n}" for n in range(2500)))
    kept.later(1)
    assert kept.users() == ["ann", "bob", *(f"user {n}" for n in range(2500))]
    assert kept.trail.counts() == {"audit_written": 2502, "audit_waiting": 0, "audit_lost": 0}


def test_while_the_disk_is_full_acts_wait_and_are_written_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    kept.note("before")
    kept.later(1)
    kept.disk.is_full = True
    kept.note("meanwhile")
    kept.later(120)
    assert kept.trail.counts()["audit_waiting"] == 1
    errors = [x for x in caplog.records if x.levelno == logging.ERROR]
    assert len(errors) == 1 and "no space left" in errors[0].getMessage(), "it is told once"
    kept.disk.is_full = False
    kept.later(MAX_PAUSE_S)
    assert kept.users() == ["before", "meanwhile"] and kept.lost() == []
    assert "written again" in caplog.text


def test_a_store_that_fails_is_tried_again_ever_more_seldom() -> None:
    kept = Kept()
    kept.disk.is_full = True
    kept.later(300)
    assert 10 <= kept.disk.opened <= 20
    kept.disk.is_full = False
    kept.later(MAX_PAUSE_S)
    opened = kept.disk.opened
    kept.later(60)
    assert kept.disk.opened == opened, "what is open stays so"


def test_what_finds_no_room_is_lost_counted_and_told_of_in_the_audit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_trail, "MAX_WAITING", 10)
    kept = Kept()
    kept.disk.is_full = True
    kept.note(*(f"user {n}" for n in range(7)))
    kept.later(5)
    kept.note(*(f"late {n}" for n in range(7)))
    assert kept.trail.counts() == {"audit_written": 0, "audit_waiting": 10, "audit_lost": 4}
    kept.disk.is_full = False
    kept.later(MAX_PAUSE_S)
    assert kept.users() == [*(f"user {n}" for n in range(7)), "late 0", "late 1", "late 2"]
    assert kept.lost() == [4]
    kept.later(5)
    assert kept.lost() == [4], "it is told once"


def test_only_what_is_required_stops_what_is_new_and_only_after_a_while() -> None:
    required = Kept(AuditBounds(90, 2**28, required=True))
    other = Kept()
    for kept in (required, other):
        kept.disk.is_full = True
        kept.note("ann")
        kept.later(OVERDUE_S - 1)
        kept.trail.require_possible()
        kept.later(3)
    other.trail.require_possible()
    with pytest.raises(StoreUnavailable, match="write the audit"):
        required.trail.require_possible()
    required.disk.is_full = False
    required.later(MAX_PAUSE_S)
    required.trail.require_possible()


def test_a_disk_that_is_frozen_is_one_that_cannot_be_written() -> None:
    kept = Kept(AuditBounds(90, 2**28, required=True))
    goes_on, is_frozen = threading.Event(), threading.Event()

    def frozen(records: Sequence[AuditRecord]) -> None:
        is_frozen.set()
        goes_on.wait()

    kept.disk.append = frozen  # type: ignore[method-assign]
    kept.note("ann")
    writer = threading.Thread(target=kept.trail.write)
    writer.start()
    try:
        assert is_frozen.wait(30)
        kept.trail.require_possible()
        kept.steady_s += OVERDUE_S
        with pytest.raises(StoreUnavailable):
            kept.trail.require_possible()
    finally:
        goes_on.set()
        writer.join()
    kept.trail.require_possible()


def test_what_is_required_stops_before_anything_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "MAX_WAITING", 10)
    kept = Kept(AuditBounds(90, 2**28, required=True))
    kept.note("a", "b", "c", "d")
    kept.trail.require_possible()
    kept.note("e")
    with pytest.raises(StoreUnavailable):
        kept.trail.require_possible()
    kept.later(1)
    kept.trail.require_possible()


def test_acts_go_when_they_are_older_than_they_may_be() -> None:
    kept = Kept(AuditBounds(days=2, size_bytes=2**28))
    kept.note("old")
    kept.later(1)
    kept.now_s += DAY_S
    kept.note("young")
    kept.later(1)
    kept.now_s += DAY_S
    kept.later(PRUNE_INTERVAL_S)
    assert kept.users() == ["young"]


def test_the_oldest_go_when_there_are_more_bytes_than_there_may_be() -> None:
    kept = Kept(AuditBounds(days=90, size_bytes=10_000))
    for n in range(300):
        kept.note(f"user {n}")
        kept.later(1)
    users = kept.users()
    assert kept.disk.size_bytes() <= 10_000 + PRUNE_INTERVAL_S * 100
    assert users == [f"user {n}" for n in range(300 - len(users), 300)]


def test_an_act_that_no_store_takes_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    kept.trail = AuditTrail(_Choosy(kept.disk), BOUNDS, lambda: kept.now_s, lambda: kept.steady_s)
    kept.note("half \ud800")
    kept.later(1)
    kept.note("ann")
    kept.later(1)
    assert kept.users() == ["ann"]
    assert kept.lost() == [1] and "could not be put into words" in caplog.text


class _Choosy(MemoryAudit):
    """As a file has it: what is no text cannot be written."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    def append(self, records: Sequence[AuditRecord]) -> None:
        for record in records:
            (record.user or "").encode()
        self._disk.append(records)


def test_the_last_acts_are_written_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    kept.disk.is_full = True
    kept.later(60)
    kept.note("last")
    kept.disk.is_full = False
    kept.trail.close()
    assert kept.users() == ["last"]
    caplog.clear()
    failing = Kept()
    failing.disk.is_full = True
    failing.note("last")
    failing.trail.close()
    assert "1 acts are in no audit" in caplog.text


def test_a_damaged_file_that_is_moved_away_is_followed_by_a_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(b"no database" * 1000)
    steady_s = 0.0
    trail = AuditTrail(SqliteAudit(folder), BOUNDS, steady_clock=lambda: steady_s)
    trail.note(AuditRecord(at_us=trail.now_us(), act="execution", user="ann"))
    trail.write()
    assert trail.counts()["audit_waiting"] == 1
    (folder / FILE_NAME).rename(folder / "damaged")
    steady_s += MAX_PAUSE_S
    trail.write()
    trail.close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        assert connection.execute("SELECT user FROM acts").fetchall() == [("ann",)]
    connection.close()


def test_acts_that_are_noted_while_others_are_written_are_all_kept(tmp_path: Path) -> None:
    store = SqliteAudit(tmp_path / "audit")
    trail = AuditTrail(store, BOUNDS)
    is_done = threading.Event()

    def write() -> None:
        while not is_done.is_set():
            trail.write()

    writer = threading.Thread(target=write)
    writer.start()
    for n in range(10_000):
        trail.note(AuditRecord(at_us=n * US_PER_S, act="execution", count=n))
    is_done.set()
    writer.join()
    trail.write()
    assert trail.counts() == {"audit_written": 10_000, "audit_waiting": 0, "audit_lost": 0}
    # none is as old as it may be before it is pruned: they are of 1970
    trail.close()
