"""Who is let in by a key or without one, what counts as trying, and what is no key at all."""

import hmac

import pytest
from werkzeug.exceptions import Forbidden

from unit.key_owners import ELSEWHERE, Door, KeyOwners, asked, bearing, door_of_settings
from vibecell.gateway.host_names import Misdirected
from vibecell.gateway.identity.presented import presented_by
from vibecell.model.caller import SCOPES, Owner
from vibecell.model.errors import (
    ExpiredCredential,
    LimitReached,
    MalformedCredential,
    MissingCredential,
    RevokedCredential,
    Unauthenticated,
    WrongCredential,
)
from vibecell.sharing.key_ring import KeyRing

KEY = "0123456789abcdef-key"
MOST = 5


@pytest.fixture
def door() -> Door:
    return door_of_settings(KEY, wrong_keys_per_minute=MOST)


def test_without_keys_this_machine_only() -> None:
    door = door_of_settings()
    for peer in ("127.0.0.1", "::1", "unix"):
        caller = door.ask(asked(peer))
        assert (caller.owner, caller.kind, caller.scopes) == (
            Owner("local"), "anonymous", set(SCOPES),
        )  # fmt: skip
    with pytest.raises(Forbidden):
        door.ask(asked(ELSEWHERE, HTTP_X_FORWARDED_FOR="127.0.0.1"))
    with pytest.raises(Misdirected):
        door.ask(asked(HTTP_HOST="evil.example"))


@pytest.mark.parametrize("given", ["Bearer of another service", "Basic b2xkOnByb3h5", "Bearer x"])
def test_where_nobody_needs_a_key_one_of_elsewhere_does_no_harm(given: str) -> None:
    door = door_of_settings()
    assert door.ask(asked(HTTP_AUTHORIZATION=given)).kind == "anonymous"
    with pytest.raises(Forbidden):
        door.ask(asked(ELSEWHERE, HTTP_AUTHORIZATION=given))


def test_where_nobody_is_served_without_a_credential_that_is_said_to_who_brings_none() -> None:
    door = Door(KeyRing((), "never"))
    with pytest.raises(MissingCredential):
        door.ask(asked())
    with pytest.raises(WrongCredential):
        door.ask(bearing("none-of-ours"))


def test_beside_keys_this_machine_may_be_served_without_one() -> None:
    door = Door(KeyRing((KEY,), "loopback"))
    assert door.ask(asked()).kind == "anonymous"
    assert door.ask(bearing(KEY)).kind == "key"
    with pytest.raises(WrongCredential):
        door.ask(bearing(f"{KEY}x"))
    with pytest.raises(MissingCredential):
        door.ask(asked(ELSEWHERE))


def test_keys_name_owners() -> None:
    door = door_of_settings(KEY, f"{KEY}2")
    owners = {door.ask(bearing(key)).owner.key for key in (KEY, f"{KEY}2")}
    assert len(owners) == 2
    assert not any(KEY in owner for owner in owners)


def test_a_key_may_what_it_was_made_for() -> None:
    owners = KeyOwners()
    made = owners.create(frozenset({"read"}))
    caller = Door(owners.ring).ask(bearing(made.text))
    assert (caller.owner, caller.scopes, caller.account.weight) == (
        Owner(made.key.id), {"read"}, 2.0,
    )  # fmt: skip


def test_who_has_the_whole_of_a_key_is_told_what_became_of_it() -> None:
    owners = KeyOwners()
    revoked, expiring = owners.create(), owners.create(lifetime_s=60)
    owners.revoke(revoked)
    owners.late_s = 61
    door = Door(owners.ring, wrong_keys_per_minute=1)
    for _ in range(3):  # and it is no guess
        with pytest.raises(RevokedCredential):
            door.ask(bearing(revoked.text))
        with pytest.raises(ExpiredCredential):
            door.ask(bearing(expiring.text))
    with pytest.raises(WrongCredential):
        door.ask(bearing(f"{revoked.text[:-1]}{'A' if revoked.text[-1] != 'A' else 'B'}"))


def test_a_page_that_is_opened_without_a_key_tries_none(door: Door) -> None:
    for _ in range(10 * MOST):
        with pytest.raises(MissingCredential):
            door.ask(asked("192.0.2.1"))
    with pytest.raises(WrongCredential):
        door.ask(bearing("wrong", "192.0.2.1"))


def test_who_guesses_is_turned_away_and_nobody_at_another_address_is(door: Door) -> None:
    for _ in range(MOST):
        with pytest.raises(WrongCredential):
            door.ask(bearing("wrong", "192.0.2.1"))
    with pytest.raises(LimitReached) as refused:
        door.ask(bearing("wrong", "192.0.2.1"))
    assert 50 < refused.value.retry_after_s <= 60
    with pytest.raises(LimitReached):
        door.ask(asked("192.0.2.1"))
    with pytest.raises(WrongCredential):
        door.ask(bearing("wrong", "192.0.2.2"))


def test_wrong_keys_do_not_lock_out_right_ones(door: Door) -> None:
    for _ in range(10 * MOST):
        with pytest.raises((WrongCredential, LimitReached)):
            door.ask(bearing(f"{KEY}x"))
    assert door.ask(bearing(KEY)).kind == "key"


def test_who_changes_his_address_within_a_network_of_his_own_is_one(door: Door) -> None:
    for host in range(MOST):
        with pytest.raises(WrongCredential):
            door.ask(bearing("wrong", f"2001:db8::{host:x}"))
    with pytest.raises(LimitReached):
        door.ask(bearing("wrong", "2001:db8::ffff:1"))
    with pytest.raises(WrongCredential):
        door.ask(bearing("wrong", "2001:db8:0:1::1"))


NO_CREDENTIAL = [
    "", "Bearer", "Bearer ", f"Bearer {KEY},Bearer {KEY}", KEY, f"Basic {KEY}", f"Bearer  {KEY}",
    f"Bearer {KEY} ", "Bearer \xe4", f"Bearer {'x' * 8193}",
]  # fmt: skip


@pytest.mark.parametrize("given", NO_CREDENTIAL)
def test_what_can_be_no_credential_is_told_apart_and_counts_as_a_wrong_one(
    door: Door, given: str
) -> None:
    for _ in range(MOST):
        with pytest.raises(MalformedCredential):
            door.ask(asked("192.0.2.1", HTTP_AUTHORIZATION=given))
    with pytest.raises(LimitReached):
        door.ask(asked("192.0.2.1", HTTP_AUTHORIZATION=given))
    assert door.ask(bearing(KEY, "192.0.2.1")).kind == "key"


@pytest.mark.parametrize(
    ("offered", "kind", "text"),
    [
        (f"vibecell.key.{KEY}", "key", KEY),
        (f"vibecell.v1, vibecell.key.{KEY}", "key", KEY),
        ("vibecell.v1,vibecell.token.a.b.c", "token", "a.b.c"),
    ],
)
def test_a_browser_presents_what_it_has_as_a_subprotocol(
    offered: str, kind: str, text: str
) -> None:
    found = presented_by({"HTTP_SEC_WEBSOCKET_PROTOCOL": offered})
    assert found is not None
    assert (found.kind, found.text) == (kind, text)


def test_a_credential_may_be_as_long_as_those_of_providers_are() -> None:
    long = "x" * 8192
    for fields in (bearing(long), {"HTTP_SEC_WEBSOCKET_PROTOCOL": f"vibecell.key.{long}"}):
        found = presented_by(fields)
        assert found is not None and found.text == long
    with pytest.raises(MalformedCredential):
        presented_by({"HTTP_SEC_WEBSOCKET_PROTOCOL": f"vibecell.key.{long}x"})


@pytest.mark.parametrize("offered", ["chat, other", "vibecell.v1", ""])
def test_other_subprotocols_present_nothing(offered: str) -> None:
    assert presented_by({"HTTP_SEC_WEBSOCKET_PROTOCOL": offered}) is None


TWO = [
    {"HTTP_SEC_WEBSOCKET_PROTOCOL": f"vibecell.key.{KEY}, vibecell.key.x"},
    {"HTTP_SEC_WEBSOCKET_PROTOCOL": f"vibecell.key.{KEY}, vibecell.token.a.b.c"},
    {"HTTP_SEC_WEBSOCKET_PROTOCOL": "vibecell.key."},
    {"HTTP_AUTHORIZATION": f"Bearer {KEY}", "HTTP_SEC_WEBSOCKET_PROTOCOL": f"vibecell.key.{KEY}"},
    {"HTTP_AUTHORIZATION": f"Bearer {KEY}", "QUERY_STRING": f"ticket={'t' * 40}"},
    {"QUERY_STRING": f"after=1&ticket={'t' * 40}&ticket={'t' * 40}"},
    {"QUERY_STRING": "ticket="},
    {"QUERY_STRING": f"ticket={'%20' * 40}"},
]


@pytest.mark.parametrize("fields", TWO)
def test_two_credentials_or_an_empty_one_are_none(door: Door, fields: dict[str, str]) -> None:
    with pytest.raises(MalformedCredential):
        door.ask(asked(**fields))


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "token", "authorization"])
def test_a_key_in_a_url_is_none(door: Door, name: str) -> None:
    with pytest.raises(MissingCredential):
        door.ask(asked(QUERY_STRING=f"{name}={KEY}"))


def test_what_is_presented_is_in_no_representation() -> None:
    found = presented_by(bearing(KEY))
    assert found is not None
    assert KEY not in repr(found)


def test_who_is_refused_is_nobody_to_his_connection(door: Door) -> None:
    environ = bearing("wrong")
    with pytest.raises(Unauthenticated):
        door.ask(environ)
    assert environ["vibecell.handler"].connection.owner is None


def test_a_guess_costs_the_same_however_near_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared are hashes of the whole, each with each, and never from the left."""
    owners = KeyOwners()
    made = owners.create()
    door = Door(owners.ring, wrong_keys_per_minute=1_000)
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    costs = set()
    for right in range(len(made.text) - 43, len(made.text)):
        guess = made.text[:right] + "".join("B" if c == "A" else "A" for c in made.text[right:])
        compared.clear()
        with pytest.raises(WrongCredential):
            door.ask(bearing(guess))
        costs.add(tuple(compared))
    assert len(costs) == 1
    assert costs.pop()
