"""What a ticket is good for: one request, of one kind, within half a minute."""

import base64

import gevent
import pytest

from unit.key_owners import (
    BEGIN,
    BEGIN_LIVE,
    EVENTS,
    FOLLOW_LIVE,
    LANGUAGES,
    LOOK,
    MAKE_TICKET,
    MAKE_TOKEN,
    Door,
    KeyOwners,
    asked,
    bearing,
    door_of_settings,
)
from vibecell.gateway.identity.memory_tickets import MemoryTickets
from vibecell.gateway.identity.narrowing import Derived
from vibecell.gateway.identity.permissions import Operation
from vibecell.gateway.identity.tickets import LIFETIME_S, Ticket, Tickets
from vibecell.model.caller import Grant, Owner
from vibecell.model.errors import (
    ExpiredCredential,
    NotPermitted,
    RevokedCredential,
    WrongCredential,
)
from vibecell.sharing.key_desk import GivenOut
from vibecell.sharing.key_ring import KeyRing
from vibecell.wire.derivations import TokenRequest, decode_ticket_request


@pytest.fixture
def owners() -> KeyOwners:
    return KeyOwners()


@pytest.fixture
def key(owners: KeyOwners) -> GivenOut:
    return owners.create(grant=Grant(concurrent=8))


@pytest.fixture
def door(owners: KeyOwners, key: GivenOut) -> Door:
    return Door(owners.ring, wrong_keys_per_minute=1)


def showing(ticket: str, peer: str = "127.0.0.1") -> dict[str, object]:
    return asked(peer, QUERY_STRING=f"after=0&ticket={ticket}")


def token_of(door: Door, key: GivenOut, *scopes: str, expires_in_s: int = 3600) -> str:
    caller = door.ask(bearing(key.text), MAKE_TOKEN)
    wanted = TokenRequest("ann", scopes or None, Grant(concurrent=2), expires_in_s)  # type: ignore[arg-type]
    return door.made.tokens.mint(caller, wanted).text


@pytest.mark.parametrize("operation", [EVENTS, FOLLOW_LIVE])
def test_a_ticket_of_an_execution_follows_it_once(
    door: Door, key: GivenOut, operation: Operation
) -> None:
    ticket = door.ticket(key.text, "known")
    caller = door.ask(showing(ticket), operation)
    assert (caller.kind, caller.owner) == ("ticket", Owner(key.key.id))
    assert caller.scopes == key.key.scopes
    for _ in range(3):  # which is no guess
        with pytest.raises(ExpiredCredential, match="used"):
            door.ask(showing(ticket), operation)


def test_a_ticket_without_an_execution_begins_one(door: Door, key: GivenOut) -> None:
    assert door.ask(showing(door.ticket(key.text)), BEGIN_LIVE).kind == "ticket"


def test_a_ticket_is_its_makers_in_all_he_has(door: Door, key: GivenOut) -> None:
    token = token_of(door, key, "read")
    caller = door.ask(showing(door.ticket(token, "known")), EVENTS)
    maker = door.ask(bearing(token))
    assert (caller.account, caller.scopes) == (maker.account, maker.scopes)
    assert caller.account.user_grant == Grant(concurrent=2)


OTHER = Operation("GET", "/v1/executions/<execution_id>/events", "other")


@pytest.mark.parametrize(
    ("execution_id", "operation"),
    [
        ("known", OTHER), ("known", BEGIN_LIVE), ("known", LOOK), ("known", LANGUAGES),
        ("known", MAKE_TICKET), (None, MAKE_TICKET), (None, MAKE_TOKEN), (None, FOLLOW_LIVE),
        (None, EVENTS), (None, BEGIN),
    ],
)  # fmt: skip
def test_a_ticket_is_good_for_nothing_else_and_is_used_by_that(
    door: Door, key: GivenOut, execution_id: str | None, operation: Operation
) -> None:
    ticket = door.ticket(key.text, execution_id)
    with pytest.raises(NotPermitted):
        door.ask(showing(ticket), operation)
    with pytest.raises(ExpiredCredential):
        door.ask(showing(ticket), BEGIN_LIVE if execution_id is None else EVENTS)


@pytest.mark.parametrize(("scope", "execution_id"), [("read", None), ("execute", "known")])
def test_who_may_not_do_it_himself_gets_no_ticket_for_it(
    door: Door, key: GivenOut, scope: str, execution_id: str | None
) -> None:
    token = token_of(door, key, scope)
    with pytest.raises(NotPermitted):
        door.ticket(token, execution_id)


def test_a_late_ticket_has_expired(owners: KeyOwners) -> None:
    now, grown_s = [1000.0], [5.0]
    tickets = Tickets(owners.ring, MemoryTickets(lambda: grown_s[0]), lambda: now[0])
    kept = Ticket(Derived(None, None, frozenset()), Owner("local"), None)
    one, other = tickets.issue(kept), tickets.issue(kept)
    assert one.expires_at == 1000.0 + LIFETIME_S
    now[0] += LIFETIME_S - 1
    grown_s[0] += LIFETIME_S - 1
    assert tickets.take(one.text, BEGIN_LIVE) == kept.derived
    now[0] += 1
    with pytest.raises(ExpiredCredential, match="expired"):
        tickets.take(other.text, BEGIN_LIVE)


def test_a_ticket_is_late_whatever_becomes_of_the_clock(owners: KeyOwners) -> None:
    grown_s = [5.0]
    tickets = Tickets(owners.ring, MemoryTickets(lambda: grown_s[0]), lambda: 1000.0)
    made = tickets.issue(Ticket(Derived(None, None, frozenset()), Owner("local"), None))
    grown_s[0] += LIFETIME_S
    with pytest.raises(ExpiredCredential):
        tickets.take(made.text, BEGIN_LIVE)


def test_a_ticket_lives_no_longer_than_the_token_that_made_it(door: Door, key: GivenOut) -> None:
    token = token_of(door, key, expires_in_s=2)
    end = door.made.tokens.read(token).expires_at
    made = door.made.ticket(door.ask(bearing(token)), None)
    assert made.expires_at == end


def test_a_ticket_dies_with_its_key(owners: KeyOwners, door: Door, key: GivenOut) -> None:
    tickets = [door.ticket(key.text), door.ticket(token_of(door, key))]
    owners.revoke(key)
    for ticket in tickets:
        with pytest.raises(RevokedCredential):
            door.ask(showing(ticket), BEGIN_LIVE)


def test_without_keys_a_ticket_is_used_up_as_any() -> None:
    door = door_of_settings()
    environ = asked()
    caller = door.ask(environ, MAKE_TICKET)
    ticket = door.made.ticket(caller, None).text
    caller = door.ask(showing(ticket), BEGIN_LIVE)
    assert (caller.kind, caller.owner) == ("ticket", Owner("local"))
    with pytest.raises(ExpiredCredential):
        door.ask(showing(ticket), BEGIN_LIVE)
    with pytest.raises(WrongCredential):
        door.ask(showing("x" * 64), BEGIN_LIVE)


def test_a_ticket_that_needed_no_key_is_none_from_elsewhere() -> None:
    door = door_of_settings()
    environ = asked()
    ticket = door.made.ticket(door.ask(environ, MAKE_TICKET), None).text
    with pytest.raises(Exception, match="only this machine"):
        door.ask(showing(ticket, "192.0.2.1"), BEGIN_LIVE)


def test_the_first_key_closes_the_door_to_tickets_that_needed_none(owners: KeyOwners) -> None:
    door = Door(owners.ring)
    environ = asked()
    ticket = door.made.ticket(door.ask(environ, MAKE_TICKET), None).text
    owners.create()
    with pytest.raises(Exception, match="a credential is required"):
        door.ask(showing(ticket), BEGIN_LIVE)


def test_a_ticket_of_another_server_or_a_changed_one_is_wrong(door: Door, key: GivenOut) -> None:
    elsewhere = KeyOwners()
    foreign = Door(elsewhere.ring).ticket(elsewhere.create().text)
    ticket = door.ticket(key.text)
    data = bytearray(base64.urlsafe_b64decode(ticket))
    for at in (0, 10, len(data) - 1):
        changed = bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]])
        text = base64.urlsafe_b64encode(changed).decode()
        with pytest.raises(WrongCredential):
            door.made._tickets.take(text, BEGIN_LIVE)
    for text in (foreign, "A" * 16, "A" * 128, ticket[:-4], "A" * 17):
        with pytest.raises(WrongCredential):
            door.made._tickets.take(text, BEGIN_LIVE)
    assert door.ask(showing(ticket), BEGIN_LIVE).kind == "ticket"


def test_tickets_are_not_to_be_guessed(door: Door, key: GivenOut) -> None:
    made = {door.ticket(key.text) for _ in range(20)}
    parts = {base64.urlsafe_b64decode(ticket)[8:32] for ticket in made}
    assert len(parts) == 20
    assert all(len(part) * 8 >= 128 for part in parts)


def test_of_many_at_once_one_uses_a_ticket(door: Door, key: GivenOut) -> None:
    ticket = door.ticket(key.text)
    used: list[str] = []

    def use() -> None:
        gevent.sleep(0)
        try:
            used.append(door.ask(showing(ticket), BEGIN_LIVE).kind)
        except ExpiredCredential:
            return

    gevent.joinall([gevent.spawn(use) for _ in range(10)], raise_error=True)
    assert used == ["ticket"]


def test_a_wish_for_a_ticket_is_read() -> None:
    assert decode_ticket_request({}) is None
    assert decode_ticket_request({"execution": "abc_-9"}) == "abc_-9"


def test_a_ring_without_a_store_makes_tickets_of_its_own() -> None:
    one, other = Tickets(KeyRing(()), MemoryTickets()), Tickets(KeyRing(()), MemoryTickets())
    kept = Ticket(Derived(None, None, frozenset()), Owner("local"), None)
    with pytest.raises(WrongCredential):
        other.take(one.issue(kept).text, BEGIN_LIVE)
