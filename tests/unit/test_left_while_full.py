"""A client that leaves while what it sent waits: all of that is taken, then its end is known."""

import gevent
import pytest

from vibecell.gateway.transports.inbox import ITEM_BYTES, Hold, Inbox, Room

KIB = 1024
ENOUGH_S = 20.0


def made(limit_bytes: int = 4 * KIB, room_bytes: int = 1024 * KIB) -> tuple[Inbox[int], Hold]:
    hold = Hold(Room(room_bytes), 0)
    return Inbox(limit_bytes, hold), hold


def filled(inbox: Inbox[int]) -> int:
    """How many messages of a kibibyte it takes before it makes their sender wait."""
    for number in range(1000):
        try:
            inbox.put(number, KIB, timeout_s=0.0)
        except TimeoutError:
            return number
    raise AssertionError("it takes any number")


def test_the_end_is_known_though_there_was_no_room_for_a_message_more() -> None:
    inbox, _ = made()
    count = filled(inbox)
    assert 0 < count * KIB <= 5 * KIB
    inbox.end()
    assert [inbox.get(ENOUGH_S) for _ in range(count)] == list(range(count))
    assert inbox.get(ENOUGH_S) is None
    assert inbox.get(ENOUGH_S) is None


def test_a_sender_that_waits_for_room_is_let_go_by_the_end() -> None:
    inbox, _ = made()
    filled(inbox)
    waiting = gevent.spawn(inbox.put, -1, KIB, 2 * ENOUGH_S)
    gevent.sleep(0)
    inbox.end()
    waiting.join(ENOUGH_S)
    assert waiting.successful()


def test_empty_messages_are_not_free() -> None:
    inbox, hold = made()
    for number in range(4 * KIB // ITEM_BYTES):
        inbox.put(number, 0, timeout_s=0.0)
    with pytest.raises(TimeoutError):
        inbox.put(-1, 0, timeout_s=0.0)
    assert hold.held_bytes == 4 * KIB


def test_one_owner_has_one_room_however_many_connections_it_opens() -> None:
    room = Room(4 * KIB)
    first, second = Hold(room, 0), Hold(room, 0)
    first.take(3 * KIB, 0.0)
    with pytest.raises(TimeoutError):
        second.take(2 * KIB, 0.0)
    first.give(3 * KIB)
    second.take(2 * KIB, 0.0)


def test_what_is_dropped_is_room_again() -> None:
    inbox, hold = made()
    filled(inbox)
    inbox.drop()
    assert (inbox.held_bytes, hold.held_bytes) == (0, 0)
    assert inbox.get(ENOUGH_S) is None
