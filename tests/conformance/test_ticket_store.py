"""What every store of tickets promises, tried on each: laws in gateway/identity/tickets.py."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecell.gateway.identity import memory_tickets
from vibecell.gateway.identity.memory_tickets import MemoryTickets
from vibecell.gateway.identity.narrowing import Derived
from vibecell.gateway.identity.tickets import LIFETIME_S, Ticket, TicketStore
from vibecell.model.caller import Owner
from vibecell.model.errors import CapacityError, LimitReached, QueueFull

SHOP, ANN, BOB = Owner("shop"), Owner("shop", "ann"), Owner("shop", "bob")
SCHOOL, LIBRARY = Owner("school"), Owner("library")
ODD = Owner("shop", "'; DROP TABLE tickets; --  ünï\u202ecode")

MakeStore = Callable[[Callable[[], float]], TicketStore]


@pytest.fixture(scope="module", params=["memory"])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Stores, each empty, by a clock."""
    makers: dict[str, MakeStore] = {"memory": MemoryTickets}
    return makers[request.param]


@pytest.fixture
def now_s() -> list[float]:
    return [5.0]


@pytest.fixture
def store(make_store: MakeStore, now_s: list[float]) -> TicketStore:
    return make_store(lambda: now_s[0])


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of one owner, three of a key's users, four of a key, five in all."""
    for name, most in (("OWNER", 2), ("USERS", 3), ("KEY", 4)):
        monkeypatch.setattr(memory_tickets, f"MAX_OF_{name}", most)
    monkeypatch.setattr(memory_tickets, "MAX_IN_ALL", 5)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def ticket(owner: Owner, execution_id: str | None = None) -> Ticket:
    return Ticket(Derived(owner.key, owner.user, frozenset(("read",))), owner, execution_id)


def put(store: TicketStore, number: int, owner: Owner, lifetime_s: float = LIFETIME_S) -> None:
    store.add(digest(number), ticket(owner), lifetime_s)


def test_a_ticket_comes_back_as_it_was_and_once(store: TicketStore) -> None:
    kept = [ticket(ANN, "an-execution"), ticket(ODD), ticket(SHOP)]
    for number, each in enumerate(kept):
        store.add(digest(number), each, LIFETIME_S)
    for number, each in reversed(list(enumerate(kept))):
        assert store.take(digest(number)) == each
        assert store.take(digest(number)) is None


def test_what_was_never_kept_is_not_there(store: TicketStore) -> None:
    put(store, 1, ANN)
    for wrong in (digest(2), b"", digest(1)[:-1], digest(1) + b"\0"):
        assert store.take(wrong) is None
    assert store.take(digest(1)) is not None


@pytest.mark.parametrize("lifetime_s", [0.5, LIFETIME_S])
def test_what_is_late_is_never_given(
    store: TicketStore, now_s: list[float], lifetime_s: float
) -> None:
    put(store, 1, ANN, lifetime_s)
    put(store, 2, ANN, lifetime_s)
    now_s[0] += lifetime_s - 0.25
    assert store.take(digest(1)) is not None
    now_s[0] += 0.25
    assert store.take(digest(2)) is None


def test_of_many_threads_one_gets_a_ticket(store: TicketStore) -> None:
    found: deque[int] = deque()
    numbers = range(200)
    for number in numbers:
        put(store, number, Owner("shop", str(number)))
    together = threading.Barrier(4)

    def take_all() -> None:
        together.wait(20)
        found.extend(number for number in numbers if store.take(digest(number)) is not None)

    threads = [threading.Thread(target=take_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == list(numbers)


@pytest.mark.usefixtures("few")
def test_who_makes_too_many_is_refused_alone(store: TicketStore, now_s: list[float]) -> None:
    for number in range(2):
        put(store, number, ANN)
    with pytest.raises(LimitReached):
        put(store, 9, ANN)
    put(store, 2, BOB)
    with pytest.raises(LimitReached):
        put(store, 9, Owner("shop", "eve"))
    put(store, 3, SCHOOL)
    put(store, 4, SCHOOL)
    with pytest.raises(QueueFull):
        put(store, 9, LIBRARY)
    assert store.take(digest(0)) is not None  # makes room for its owner
    put(store, 5, ANN)
    assert store.take(digest(9)) is None, "what was refused is not kept"
    now_s[0] += LIFETIME_S
    for number in range(10, 14):  # those that are late take no room
        put(store, number, Owner(f"another {number}"))


@pytest.mark.usefixtures("few")
def test_users_of_a_key_leave_room_to_the_key_itself(store: TicketStore) -> None:
    for number, owner in enumerate((ANN, ANN, BOB)):
        put(store, number, owner)
    with pytest.raises(LimitReached):
        put(store, 9, BOB)
    put(store, 3, SHOP)
    with pytest.raises(LimitReached):
        put(store, 9, SHOP)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 7), st.sampled_from((SHOP, ANN, BOB, SCHOOL)), st.sampled_from((0, 1, 20))
    )
)


@settings(max_examples=50)
@given(STEPS)
def test_over_any_history_each_is_given_once_and_in_time(
    make_store: MakeStore, steps: list[tuple[int, Owner, int]]
) -> None:
    now_s = [0.0]
    store = make_store(lambda: now_s[0])
    made: dict[int, tuple[Owner, float]] = {}
    for at, (chosen, owner, later_s) in enumerate(steps):
        now_s[0] += later_s
        with contextlib.suppress(CapacityError):
            put(store, at, owner)
            made[at] = owner, now_s[0]
        taken = at - chosen
        if taken < 0:
            continue
        found = store.take(digest(taken))
        owner_and_moment = made.pop(taken, None)
        if owner_and_moment is None or now_s[0] - owner_and_moment[1] >= LIFETIME_S:
            assert found is None
        else:
            assert found == ticket(owner_and_moment[0])


def test_of_what_was_taken_or_is_late_nothing_is_remembered_in_memory() -> None:
    now_s = [0.0]
    tickets = MemoryTickets(lambda: now_s[0])
    for number in range(10):
        put(tickets, number, Owner("shop", str(number)))
    assert tickets.take(digest(3)) is not None
    now_s[0] += LIFETIME_S
    put(tickets, 11, SCHOOL)
    assert tickets.take(digest(11)) is not None
    assert (len(tickets), len(tickets._of_owner), len(tickets._of_key)) == (0, 0, 0)
