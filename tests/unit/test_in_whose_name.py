"""In whose name a program runs, by who asks and what the request says."""

import pytest

from vibecell.model.caller import Account, Caller, Grant, Owner
from vibecell.model.errors import InvalidRequest, NotPermitted
from vibecell.model.language import Language, Offer
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS
from vibecell.wire.requests import decode_execute, to_execution_request

OFFER = Offer((Language("python", "Python", "3.11", (), "main.py", "execute"),))
GRANT = Grant(concurrent=8)
PLATFORM = Caller(Account(Owner("shop"), 2.0, GRANT))
ANN = Caller(Account(Owner("shop", "ann"), 2.0, GRANT, Grant(concurrent=2)), kind="token")


def test_a_platform_names_its_user_and_keeps_its_weight_and_bounds() -> None:
    assert PLATFORM.account_for("ann") == Account(Owner("shop", "ann"), 2.0, GRANT)
    assert PLATFORM.account_for(None) == PLATFORM.account


def test_who_needs_no_key_may_have_users_too() -> None:
    anonymous = Caller(Account(Owner("local")), kind="anonymous")
    assert anonymous.account_for("ann").owner == Owner("local", "ann")


def test_a_user_names_himself_or_nobody() -> None:
    assert ANN.account_for("ann") == ANN.account_for(None) == ANN.account
    for other in ("bob", "Ann", "ann "):
        with pytest.raises(NotPermitted):
            ANN.account_for(other)


@pytest.mark.parametrize("user", ["ann", "ännchen 🦊", "a" * 128, "../..", "<b>", "null"])
def test_a_user_is_called_as_his_platform_calls_him(user: str) -> None:
    body = decode_execute({"code": "1", "user": user})
    assert to_execution_request(body, OFFER, DEFAULT_LIMITS, DEFAULT_CEILING).user == user


@pytest.mark.parametrize("user", ["", "a" * 129, "a\nb", "ann\n", "\x00", "\x7f", "\x85", 7, ["a"]])
def test_what_is_no_name_is_refused(user: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        body = decode_execute({"code": "1", "user": user})
        to_execution_request(body, OFFER, DEFAULT_LIMITS, DEFAULT_CEILING)
    assert [problem.path for problem in refused.value.problems] == ["user"]


def test_a_name_that_has_no_bytes_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        body = decode_execute({"code": "1", "user": "\ud800"})
        to_execution_request(body, OFFER, DEFAULT_LIMITS, DEFAULT_CEILING)
