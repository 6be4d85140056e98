"""A key that has died and is shown all the same is told of, and not once for each time."""

from itertools import chain

from vibecell.gateway.dead_keys import MAX_KEYS, TOLD_EVERY_US, DeadKeys
from vibecell.sharing.audit import AuditRecord


def shown(at_us: int, key: str = "shop", address: str = "192.0.2.1") -> AuditRecord:
    return AuditRecord(
        at_us=at_us, act="credential_refused", key=key, address=address, reason="revoked"
    )


def test_the_first_time_is_told_at_once() -> None:
    assert [*DeadKeys().shown(shown(5))] == [shown(5)]


def test_a_client_that_goes_on_asking_is_told_of_once_a_minute_with_how_often() -> None:
    keys, told = DeadKeys(), []
    for second in range(600):
        now_us = second * 1_000_000
        told += keys.owed(now_us)
        for _ in range(100):
            told += keys.shown(shown(now_us, address=f"192.0.2.{second % 200}"))
    told += keys.owed()
    assert sum(record.count or 1 for record in told) == 60_000
    assert len(told) <= 2 * 600 / 60 + 1
    assert told[1].address == "192.0.2.59", "where it came from last"


def test_each_key_and_each_reason_is_told_of_by_itself() -> None:
    keys = DeadKeys()
    other = AuditRecord(at_us=1, act="credential_refused", key="shop", reason="expired")
    told = [*keys.shown(shown(1)), *keys.shown(shown(1, "school")), *keys.shown(other)]
    assert len(told) == 3


def test_what_was_shown_once_is_not_told_of_again() -> None:
    keys = DeadKeys()
    assert [*keys.shown(shown(1))] == [shown(1)]
    assert [*keys.owed(2 * TOLD_EVERY_US)] == []
    assert [*keys.shown(shown(3 * TOLD_EVERY_US))] == [shown(3 * TOLD_EVERY_US)]


def test_a_clock_that_was_put_back_silences_nobody() -> None:
    keys = DeadKeys()
    assert [*keys.shown(shown(10**15))]
    assert [*keys.owed(5)] == []
    assert [*keys.shown(shown(5))] == [shown(5)]


def test_no_more_keys_are_remembered_than_a_bound_and_none_is_lost() -> None:
    keys = DeadKeys()
    names = [f"key-{n}" for n in range(2 * MAX_KEYS)]
    told = [*chain.from_iterable(keys.shown(shown(1, name)) for name in names for _ in range(2))]
    assert len(keys._told) == MAX_KEYS
    told += keys.owed()
    assert sum(record.count or 1 for record in told) == 4 * MAX_KEYS
