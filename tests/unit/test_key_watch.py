"""A gateway follows its store of keys, and nobody waits for a disk."""

import logging
import sys
import threading
import time
from collections.abc import Iterator

import gevent
import pytest

from vibecell.gateway.key_watch import LOOK_S, KeyWatch
from vibecell.model.errors import RevokedCredential, StoreUnavailable, WrongCredential
from vibecell.sharing.key_desk import KeyDesk
from vibecell.sharing.key_ring import STALE_AFTER_S, KeyRing, KeyView
from vibecell.sharing.key_source import KeySource
from vibecell.sharing.keys import Key
from vibecell.sharing.memory_key_store import MemoryKeyStore
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

ANSWER_S = 1.0
BUSY_S = 20.0


class Disk:
    """A source whose store may hang or fail."""

    def __init__(self) -> None:
        self.store = MemoryKeyStore()
        self.secrets = ServerSecrets((new_server_secret(),))
        self.desk = KeyDesk(self.store, self.secrets)
        self.failure: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        source = KeySource(self.store, self._secrets)
        self.source = source
        self.grown_s = 0.0
        self.ring = KeyRing(is_unread=True, monotonic=lambda: self.grown_s)
        self.watch = KeyWatch(self.ring, source, settle_s=LOOK_S)

    def _secrets(self) -> ServerSecrets:
        self.goes_on.wait()
        if self.failure is not None:
            raise self.failure
        return self.secrets


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.goes_on.set()
    disk.watch.stop()


def test_what_is_not_read_yet_lets_nobody_in(disk: Disk) -> None:
    with pytest.raises(StoreUnavailable):
        disk.ring.anonymous_is_open()
    with pytest.raises(StoreUnavailable):
        _ = disk.ring.signing_secrets
    disk.watch.look()
    assert disk.ring.anonymous_is_open() and disk.ring.signing_secrets == disk.secrets.signing


def test_every_change_is_known_within_a_second(disk: Disk) -> None:
    disk.watch.start()
    made = disk.desk.create(Key("", "shop"))
    assert _told_in_time(disk, made.text, made.key) == made.key
    disk.desk.revoke(made.key.id)
    assert _told_in_time(disk, made.text, RevokedCredential) is RevokedCredential


def _told_in_time(disk: Disk, text: str, wanted: object) -> object:
    """What a text is after two looks, or after what a busy machine takes for it to be as wanted."""
    end_s = time.monotonic() + BUSY_S
    gevent.sleep(2 * LOOK_S)
    while (told := _told(disk, text)) != wanted and time.monotonic() < end_s:
        gevent.sleep(LOOK_S)
    return told


def _told(disk: Disk, text: str) -> object:
    try:
        return disk.ring.of_text(text)
    except (RevokedCredential, StoreUnavailable, WrongCredential) as error:
        return type(error)


def test_a_secret_that_was_rotated_is_known_as_well(disk: Disk) -> None:
    disk.watch.look()
    made = disk.desk.create(Key("", "shop"))
    disk.secrets = ServerSecrets((new_server_secret(),))
    late = KeyDesk(disk.store, disk.secrets).create(Key("", "late"))
    disk.watch.look()
    assert disk.ring.of_text(late.text) == late.key
    assert made.key.id in {record.key.id for record in disk.store.records()}


def test_a_disk_that_hangs_holds_up_nobody_and_closes_the_door(disk: Disk) -> None:
    made = disk.desk.create(Key("", "shop"))
    disk.watch.look()
    disk.goes_on.clear()
    disk.watch.start()
    began_s = time.monotonic()
    for _ in range(10):
        gevent.sleep(0.01)
        disk.ring.of_text(made.text)
    assert time.monotonic() - began_s < ANSWER_S + BUSY_S
    disk.grown_s += STALE_AFTER_S + 0.1
    with pytest.raises(StoreUnavailable):
        disk.ring.of_text(made.text)
    disk.goes_on.set()
    assert _told_in_time(disk, made.text, made.key) == made.key


def test_a_store_that_fails_is_told_once_and_asked_again(
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gevent.get_hub(), "exception_stream", sys.stderr)
    disk.watch.look()
    disk.failure = StoreUnavailable("read the keys", "is damaged")
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            disk.watch.look()
    assert [record.message for record in caplog.records] == ["read the keys: is damaged"]
    assert capfd.readouterr().err == "", "what leaves the thread is printed each time"
    disk.grown_s += STALE_AFTER_S + 0.1
    with pytest.raises(StoreUnavailable):
        disk.ring.anonymous_is_open()
    disk.failure = None
    disk.watch.look()
    assert disk.ring.anonymous_is_open()


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), KeyError("a fault")])
def test_a_fault_of_ours_lets_nobody_in_and_is_got_over(
    disk: Disk, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    made = disk.desk.create(Key("", "shop"))
    disk.watch.look()
    disk.failure = fault
    with caplog.at_level(logging.ERROR):
        disk.watch.start()
        gevent.sleep(3 * LOOK_S)
    told = [record for record in caplog.records if type(fault).__name__ in record.message]
    assert len(told) == 1 and told[0].exc_info, "it is told once, with where it happened"
    disk.grown_s += STALE_AFTER_S + 0.1
    with pytest.raises(StoreUnavailable):
        disk.ring.of_text(made.text)
    disk.failure = None
    gevent.sleep(2 * LOOK_S)
    assert disk.ring.of_text(made.text) == made.key


def test_the_last_use_of_a_key_is_written_in_the_end(disk: Disk) -> None:
    made = disk.desk.create(Key("", "shop"))
    disk.watch.look()
    before = time.time()
    disk.ring.of_text(made.text)
    assert disk.store.records()[0].last_used_at is None, "no request waits for that"
    disk.watch.stop()
    used_at = disk.store.records()[0].last_used_at
    assert used_at is not None and before <= used_at <= time.time()


def test_what_could_not_be_written_is_written_later(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = disk.desk.create(Key("", "shop"))
    disk.watch.start()
    gevent.sleep(0.05)
    with monkeypatch.context() as broken:
        broken.setattr(disk.source, "settle", _refuse)
        disk.ring.of_text(made.text)
        gevent.sleep(2 * LOOK_S)
        assert disk.store.records()[0].last_used_at is None
    gevent.sleep(2 * LOOK_S)
    assert disk.store.records()[0].last_used_at is not None


def _refuse(_owed: object) -> None:
    raise StoreUnavailable("note the use of keys", "database or disk is full")


def test_a_key_is_hashed_anew_behind_its_users_back(disk: Disk) -> None:
    made = disk.desk.create(Key("", "shop"))
    old = disk.secrets
    text = new_server_secret()
    disk.secrets = _Both(text, old)
    disk.watch.look()
    assert disk.ring.of_text(made.text) == made.key
    disk.watch.stop()
    only_new = KeyView(disk.store.records(), ServerSecrets((text,)))
    assert KeyRing(view=only_new).of_text(made.text) == made.key


class _Both(ServerSecrets):
    """A new secret before those that another has."""

    def __init__(self, text: str, old: ServerSecrets) -> None:
        super().__init__((text,))
        self.names += old.names
        self.signing += old.signing
        self._hashing += old._hashing
