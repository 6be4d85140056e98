"""One owner's places: as many as it may have, and each comes back once."""

import contextlib

import pytest
from werkzeug.exceptions import TooManyRequests

from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import Quota


def places_left(quota: Quota, owner: str) -> int:
    """How many more the owner could have."""
    leases = []
    with contextlib.suppress(TooManyRequests):
        while len(leases) < 100:
            leases.append(quota.lease(owner))
    for lease in leases:
        lease.release()
    return len(leases)


def test_a_place_that_is_given_back_twice_is_one_place() -> None:
    quota = Quota(Policy(concurrent=3))
    leases = [quota.lease("a") for _ in range(3)]
    assert places_left(quota, "a") == 0
    for _ in range(3):
        leases[0].release()
    assert places_left(quota, "a") == 1
    assert quota.open == 2
    for lease in leases:
        lease.release()
    assert places_left(quota, "a") == 3


def test_a_request_that_fails_gives_its_place_back() -> None:
    quota = Quota(Policy(concurrent=1))
    for _ in range(3):
        with pytest.raises(RuntimeError), quota.place("a"):
            raise RuntimeError("the request failed")
    assert places_left(quota, "a") == 1


def test_of_an_owner_who_has_left_nothing_is_kept() -> None:
    quota = Quota(Policy())
    for number in range(100):
        quota.lease(f"owner {number}").release()
    assert not quota._held


def test_who_is_told_to_come_back_is_told_a_whole_second_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("vibecell.gateway.moving_window.time.monotonic", lambda: now_s[0])
    quota = Quota(Policy(begun_per_minute=1))
    quota.count_begun("a")
    for later_s, told_s in ((0.0, 60), (30.5, 30), (29.2, 1)):
        now_s[0] += later_s
        with pytest.raises(TooManyRequests) as caught:
            quota.count_begun("a")
        assert caught.value.retry_after == told_s
