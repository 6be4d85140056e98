"""What counts as trying a key, and what is no key at all."""

from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.exceptions import TooManyRequests, Unauthorized

from vibecell.gateway.identity.authenticator import Authenticator
from vibecell.gateway.policy import Policy

KEY = "0123456789abcdef-key"
MOST = 5


def asked_by(address: str, **fields: str) -> dict[str, Any]:
    return {
        "vibecell.handler": SimpleNamespace(connection=SimpleNamespace(peer=address)),
        **fields,
    }


@pytest.fixture
def door() -> Authenticator:
    return Authenticator(Policy(api_keys=(KEY,), wrong_keys_per_minute=MOST))


def test_a_page_that_is_opened_without_a_key_tries_none(door: Authenticator) -> None:
    for _ in range(10 * MOST):
        with pytest.raises(Unauthorized):
            door.caller(asked_by("192.0.2.1"))
    with pytest.raises(Unauthorized):
        door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION="Bearer wrong"))


def test_who_guesses_is_turned_away_and_nobody_at_another_address_is(door: Authenticator) -> None:
    for _ in range(MOST):
        with pytest.raises(Unauthorized):
            door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION="Bearer wrong"))
    with pytest.raises(TooManyRequests):
        door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION="Bearer wrong"))
    with pytest.raises(Unauthorized):
        door.caller(asked_by("192.0.2.2", HTTP_AUTHORIZATION="Bearer wrong"))


def test_who_changes_his_address_within_a_network_of_his_own_is_one(door: Authenticator) -> None:
    for host in range(MOST):
        with pytest.raises(Unauthorized):
            door.caller(asked_by(f"2001:db8::{host:x}", HTTP_AUTHORIZATION="Bearer wrong"))
    with pytest.raises(TooManyRequests):
        door.caller(asked_by("2001:db8::ffff:1", HTTP_AUTHORIZATION="Bearer wrong"))
    with pytest.raises(Unauthorized):
        door.caller(asked_by("2001:db8:0:1::1", HTTP_AUTHORIZATION="Bearer wrong"))


@pytest.mark.parametrize("offered", ["Bearer", "Bearer ", f"Bearer {KEY},Bearer {KEY}", f"{KEY}"])
def test_what_is_no_key_counts_as_a_wrong_one(door: Authenticator, offered: str) -> None:
    for _ in range(MOST):
        with pytest.raises(Unauthorized):
            door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION=offered))
    with pytest.raises(TooManyRequests):
        door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION=offered))
    assert door.caller(asked_by("192.0.2.1", HTTP_AUTHORIZATION=f"Bearer {KEY}"))
