"""What a key, a user and an address may ask for, and whose limit a refusal says it was."""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import Lease, Quota
from vibecell.gateway.rates import PerMinute
from vibecell.gateway.recent_moments import RecentMoments
from vibecell.model.caller import NO_BOUNDS, Account, Grant, Owner, Rate
from vibecell.model.errors import (
    Conflict,
    FieldProblem,
    InvalidRequest,
    LimitReached,
    MalformedRequest,
    QueueFull,
    UnknownExecution,
    UnsupportedLanguage,
)

A, B = Account(Owner("a")), Account(Owner("b"))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def peer(address: str = "192.0.2.1") -> Any:
    return SimpleNamespace(client=address, notes=None)


def user(name: str, key: Grant = NO_BOUNDS, own: Grant = NO_BOUNDS) -> Account:
    return Account(Owner("k", name), 1.0, key, own)


def begun(quota: Quota, account: Account, address: str = "192.0.2.1", times: int = 1) -> str:
    """How often it could: a letter for each time, ``+``, or whose limit it was."""
    told = ""
    for _ in range(times):
        connection = peer(address)
        try:
            quota.count_begun(account, connection)
            told += "+"
        except LimitReached:
            told += connection.notes.refused_by.whose[0]
    return told


A_DAY = Grant(Rate(1, 86_400))


@pytest.mark.parametrize(
    ("modest", "whose"),
    [
        (Account(Owner("modest"), key_grant=A_DAY), "k"),
        (Account(Owner("modest", "ann"), user_grant=A_DAY), "u"),
    ],
    ids=["key", "user"],
)
def test_a_key_with_very_many_users_has_no_rate_of_another_forgotten(
    modest: Account, whose: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(RecentMoments, 10)  # names that are remembered of each
    monkeypatch.setattr("vibecell.gateway.quota.RecentMoments", few)
    quota = Quota(Policy(), clock)
    assert begun(quota, modest, times=2) == f"+{whose}"
    for number in range(30):
        assert begun(quota, user(f"u{number}", own=A_DAY), f"198.51.100.{number}") == "+"
    assert begun(quota, modest) == whose


def test_who_is_refused_again_and_again_is_not_forgotten_for_many_users(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecell.gateway.quota.PerMinute", partial(PerMinute, max_names=10))
    quota = Quota(Policy(refused_per_minute=1), clock)
    flood = (A.owner, Owner("modest", "ann"))
    for owner in (*flood, *(Owner("k", f"u{number}") for number in range(30))):
        with pytest.raises(MalformedRequest), quota.judging(owner):
            raise MalformedRequest("not JSON")
    for owner in flood:
        with pytest.raises(LimitReached, match="were refused"):
            quota.require_unrefused(owner)


def places_left(take: Callable[[], Lease]) -> int:
    """How many more there are."""
    leases = []
    with contextlib.suppress(LimitReached):
        while len(leases) < 100:
            leases.append(take())
    for lease in leases:
        lease.release()
    return len(leases)


class TestRates:
    def test_each_key_has_its_own(self) -> None:
        quota = Quota(Policy(begun_per_minute=1))
        assert begun(quota, A, times=2) == "+k"
        assert begun(quota, B) == "+"

    def test_the_window_moves(self, clock: Clock) -> None:
        quota = Quota(Policy(begun_per_minute=2), clock)
        quota.count_begun(A, peer())
        clock.now_s += 40
        quota.count_begun(A, peer())
        with pytest.raises(LimitReached) as caught:
            quota.count_begun(A, peer())
        assert caught.value.retry_after_s == 20
        clock.now_s += 20
        assert begun(quota, A, times=2) == "+k"

    def test_who_is_told_to_come_back_is_told_a_whole_second_at_least(self, clock: Clock) -> None:
        quota = Quota(Policy(begun_per_minute=1), clock)
        quota.count_begun(A, peer())
        for later_s, told_s in ((0.0, 60), (30.5, 30), (29.2, 1)):
            clock.now_s += later_s
            with pytest.raises(LimitReached) as caught:
                quota.count_begun(A, peer())
            assert caught.value.retry_after_s == told_s

    def test_a_keys_users_share_its_rate_and_each_has_his_own(self) -> None:
        quota = Quota(Policy())
        granted = Grant(rate=Rate(5, 3600))
        ann, bob = (user(name, granted, Grant(rate=Rate(2, 60))) for name in ("ann", "bob"))
        assert begun(quota, ann, times=3) == "++u"
        assert begun(quota, bob, times=3) == "++u"
        whole = Account(Owner("k"), 1.0, granted)
        assert begun(quota, whole, times=2) == "+k"
        assert begun(quota, user("carl", granted)) == "k"
        assert begun(quota, Account(Owner("other"), 1.0, granted)) == "+"

    def test_who_has_no_rate_of_his_own_has_the_deployments(self) -> None:
        policy = Policy(begun_per_minute=3, begun_per_minute_of_user=2)
        quota = Quota(policy)
        assert begun(quota, user("ann"), times=3) == "++u"
        assert begun(quota, user("bob"), times=2) == "+k"
        wider = Account(Owner("wide"), 1.0, Grant(rate=Rate(4, 60)))
        assert begun(quota, wider, times=5) == "++++k"

    def test_an_address_has_its_own_whoever_asks_from_there(self) -> None:
        quota = Quota(Policy(begun_per_minute_of_address=2))
        assert begun(quota, A) + begun(quota, B) + begun(quota, user("ann")) == "++a"
        assert begun(quota, A, "192.0.2.2") == "+"
        assert begun(quota, A, "2001:db8::1") + begun(quota, B, "2001:db8::2") == "++"
        assert begun(quota, A, "2001:db8::3") == "a"
        assert begun(quota, A, "2001:db8:0:1::3") == "+"

    def test_what_one_rate_refuses_is_counted_against_no_other(self) -> None:
        quota = Quota(Policy(begun_per_minute_of_address=1000))
        granted = Grant(rate=Rate(3, 60))
        flooding = user("ann", granted, Grant(rate=Rate(1, 60)))
        assert begun(quota, flooding, times=50) == "+" + "u" * 49
        assert begun(quota, user("bob", granted), times=3) == "++k"

    @pytest.mark.parametrize("whose", ["user", "key", "address"])
    def test_a_refusal_says_whose_limit_it_is_and_which(self, whose: str) -> None:
        policy = Policy(begun_per_minute_of_address=1 if whose == "address" else 100)
        quota = Quota(policy)
        once = Grant(rate=Rate(1, 60))
        account = user("ann", *[once if whose == each else Grant() for each in ("key", "user")])
        quota.count_begun(account, peer())
        for refused in (quota.count_begun, quota.require_room):
            with pytest.raises(LimitReached, match=rf"of this {whose}: at most 1/minute\Z"):
                refused(account, peer())

    def test_no_name_of_a_user_is_the_name_of_another(self) -> None:
        quota = Quota(Policy(begun_per_minute_of_user=1))
        names = ("a", "a/1", "a/1/60/second", "1", "")
        assert "".join(begun(quota, user(name)) for name in names) == "+++++"
        assert begun(quota, Account(Owner("k-a"))) == "+"

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["ann", "bob", None]),
                st.sampled_from(["192.0.2.1", "192.0.2.2"]),
                st.sampled_from([0.0, 0.01, 1.0, 9.9, 30.0]),
            ),
            max_size=80,
        )
    )
    def test_no_order_of_requests_gets_more_than_each_rate_says(
        self, asked: list[tuple[str | None, str, float]]
    ) -> None:
        clock = Clock()
        quota = Quota(Policy(begun_per_minute_of_address=7), clock)
        of_key, of_user = Grant(rate=Rate(6, 10)), Grant(rate=Rate(3, 60))
        let_in: list[tuple[float, str | None, str]] = []
        for name, address, later_s in asked:
            clock.now_s += later_s
            account = Account(Owner("k", name), 1.0, of_key, of_user)
            recent = [x for x in let_in if x[0] > clock.now_s - 60]
            room = (
                sum(x[0] > clock.now_s - 10 for x in recent) < 6
                and (name is None or sum(x[1] == name for x in recent) < 3)
                and sum(x[2] == address for x in recent) < 7
            )
            assert (begun(quota, account, address) == "+") == room
            if room:
                let_in.append((clock.now_s, name, address))


class TestPlaces:
    def test_they_come_back(self) -> None:
        quota = Quota(Policy(concurrent=1))
        lease = quota.lease(A.owner)
        quota.lease(B.owner)
        with pytest.raises(LimitReached, match="this key holds open: at most 1"):
            quota.lease(A.owner)
        lease.release()
        lease.release()
        with quota.calling(A.owner):
            assert quota.open == 2
        assert quota.open == 1

    def test_one_that_is_given_back_twice_is_one(self) -> None:
        quota = Quota(Policy(concurrent=3))
        leases = [quota.lease(A.owner) for _ in range(3)]
        assert places_left(lambda: quota.lease(A.owner)) == 0
        for _ in range(3):
            leases[0].release()
        assert places_left(lambda: quota.lease(A.owner)) == 1
        assert quota.open == 2
        for lease in leases:
            lease.release()
        assert places_left(lambda: quota.lease(A.owner)) == 3

    def test_a_request_that_fails_gives_its_place_back(self) -> None:
        quota = Quota(Policy(concurrent=1))
        for _ in range(3):
            with pytest.raises(RuntimeError), quota.calling(A.owner):
                raise RuntimeError("the request failed")
        assert places_left(lambda: quota.lease(A.owner)) == 1

    def test_a_stream_that_fails_gives_its_places_back(self) -> None:
        quota = Quota(Policy(concurrent=5))
        ann = user("ann", Grant(streams=1), Grant(streams=1))
        for _ in range(3):
            with pytest.raises(RuntimeError), quota.streaming(ann):
                raise RuntimeError("the stream failed")
        assert len(quota._held) == len(quota._streams) == 0

    def test_of_whoever_has_left_nothing_is_kept(self) -> None:
        quota = Quota(Policy())
        for number in range(100):
            quota.stream(user(f"user {number}")).release()
        assert len(quota._held) == len(quota._streams) == 0

    def test_a_platforms_many_users_do_not_take_every_connection(self) -> None:
        quota = Quota(Policy(concurrent=40))
        held = [quota.stream(user(f"user {number}")) for number in range(40)]
        for refused in (user("one more"), user("user 7"), Account(Owner("k"))):
            with pytest.raises(LimitReached, match="this key holds open: at most 40"):
                quota.stream(refused)
        assert places_left(lambda: quota.lease(A.owner)) == 40
        held[0].release()
        assert places_left(lambda: quota.lease(Owner("k", "one more"))) == 1

    def test_a_platform_goes_on_calling_whatever_its_users_hold_open(self) -> None:
        quota = Quota(Policy(concurrent=40))
        platform = Owner("k")
        with ExitStack() as stack:
            for number in range(40):
                quota.stream(user(f"user {number}"))
            with pytest.raises(LimitReached, match="requests and streams that this key"):
                quota.lease(platform)
            with contextlib.suppress(LimitReached):  # and as many short calls as they can
                for number in range(1000):
                    stack.enter_context(quota.calling(Owner("k", f"user {number}")))
            with pytest.raises(LimitReached, match="short calls that this key holds open"):
                stack.enter_context(quota.calling(Owner("k", "one more")))
            for _ in range(40):
                stack.enter_context(quota.calling(platform))
            assert quota.open == 120
            with pytest.raises(LimitReached, match="short calls that this key holds open"):
                stack.enter_context(quota.calling(platform))
        assert quota.open == 40
        assert all(len(held) == 0 for held in quota._calls.values())

    def test_a_user_who_floods_leaves_room_for_the_others_of_his_key(self) -> None:
        quota = Quota(Policy(concurrent=40))
        flood = user("flood")
        for _ in range(32):
            quota.lease(flood.owner)
        with pytest.raises(LimitReached, match="this user holds open: at most his share of 40"):
            quota.lease(flood.owner)
        quota.lease(Owner("k", "ann"))
        with quota.beginning(user("bob"), peer()), quota.streaming(Account(Owner("k"))):
            assert quota.open == 35

    def test_streams_of_a_user_and_of_all_users_of_a_key_are_bounded(self) -> None:
        quota = Quota(Policy())
        of_key, of_user = Grant(streams=3), Grant(streams=2)
        ann, bob = user("ann", of_key, of_user), user("bob", of_key, of_user)
        held = [quota.stream(ann), quota.stream(ann)]
        with pytest.raises(LimitReached, match="WebSockets of this user: at most 2"):
            quota.stream(ann)
        held.append(quota.stream(bob))
        for refused in (bob, Account(Owner("k"), 1.0, of_key)):
            with pytest.raises(LimitReached, match="WebSockets of this key: at most 3"):
                quota.stream(refused)
        quota.lease(bob.owner).release()  # it is no stream
        held[0].release()
        assert places_left(lambda: quota.stream(bob)) == 1
        assert quota.stream(Account(Owner("other"), 1.0, of_key))


REFUSALS = [
    MalformedRequest("not valid JSON"),
    InvalidRequest(FieldProblem("code", "is required")),
    UnsupportedLanguage("no such language"),
    RequestEntityTooLarge("a body has at most 2 bytes"),
    UnsupportedMediaType("the body must be application/json"),
]


class TestRefusals:
    @pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
    def test_who_is_refused_again_and_again_has_to_wait(
        self, refusal: Exception, clock: Clock
    ) -> None:
        quota = Quota(Policy(refused_per_minute=2), clock)
        for _ in range(2):
            with pytest.raises(type(refusal)), quota.calling(A.owner):
                raise refusal
            clock.now_s += 10
        refused = pytest.raises(LimitReached, match="this key were refused")
        with refused as caught, quota.calling(A.owner):
            pytest.fail("it is not even read")
        assert caught.value.retry_after_s == 40
        with quota.calling(B.owner):
            assert quota.open == 1
        clock.now_s += 40
        with quota.calling(A.owner):
            pass
        assert quota.open == 0

    def test_a_user_who_is_refused_shuts_out_neither_his_key_nor_its_other_users(self) -> None:
        quota = Quota(Policy(refused_per_minute=1))
        with pytest.raises(MalformedRequest), quota.judging(Owner("k", "ann")):
            raise MalformedRequest("no JSON")
        with pytest.raises(LimitReached, match="of this user were refused"):
            quota.require_unrefused(Owner("k", "ann"))
        for owner in (Owner("k"), Owner("k", "bob"), Owner("o", "ann")):
            quota.require_unrefused(owner)

    def test_a_user_who_goes_on_beyond_his_rate_does_not_shut_out_who_asks_for_him(self) -> None:
        quota = Quota(Policy(refused_per_minute=2, begun_per_minute_of_user=1))
        backend, ann = Account(Owner("k")), user("ann")
        for expected in ("+", "u", "u", "u", "u"):
            connection = peer()
            with contextlib.suppress(LimitReached), quota.beginning(backend, connection):
                assert begun(quota, ann) == expected
                quota.count_begun(ann, connection)
        with quota.beginning(backend, peer()):
            pass
        with pytest.raises(LimitReached, match="of this user were refused"):
            quota.require_unrefused(ann.owner)

    def test_who_goes_on_beyond_a_rate_is_refused_before_anything_is_read(self) -> None:
        quota = Quota(Policy(refused_per_minute=3, begun_per_minute=1))
        assert begun(quota, A, times=2) == "+k"
        for _ in range(3):
            refused = pytest.raises(LimitReached, match="at most 1/minute")
            with refused, quota.beginning(A, peer()):
                pytest.fail("it is not even read")
        with pytest.raises(LimitReached, match="were refused"), quota.beginning(A, peer()):
            pytest.fail("it is not even read")
        assert quota.open == 0

    def test_who_has_been_let_in_is_not_shut_out_by_what_was_refused_before(self) -> None:
        quota = Quota(Policy(refused_per_minute=1))
        with pytest.raises(MalformedRequest), quota.judging(A.owner):
            raise MalformedRequest("no JSON")
        for _ in range(3):
            with quota.counting(A.owner):
                pass
            with pytest.raises(MalformedRequest), quota.counting(A.owner):
                raise MalformedRequest("no JSON")

    def test_what_comes_over_an_open_connection_is_counted_too(self) -> None:
        quota = Quota(Policy(refused_per_minute=1))
        with pytest.raises(MalformedRequest), quota.counting(A.owner):
            raise MalformedRequest("no JSON")
        with pytest.raises(LimitReached), quota.judging(A.owner):
            pytest.fail("it is not even read")

    @pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
    def test_what_refuses_a_request_that_begins_something_is_counted_too(
        self, refusal: Exception
    ) -> None:
        quota = Quota(Policy(refused_per_minute=1))
        with pytest.raises(type(refusal)), quota.beginning(A, peer()):
            raise refusal
        for _ in range(2):
            with pytest.raises(LimitReached, match="were refused"), quota.beginning(A, peer()):
                pytest.fail("it is not even read")
        with quota.beginning(B, peer()):
            assert quota.open == 1
        assert quota.open == 0

    @pytest.mark.parametrize(
        "error", [Conflict("ended"), UnknownExecution("no such"), QueueFull("x"), OSError()]
    )
    def test_what_does_not_blame_the_message_is_not_counted(self, error: Exception) -> None:
        quota = Quota(Policy(refused_per_minute=1))
        for _ in range(3):
            with pytest.raises(type(error)), quota.judging(A.owner):
                raise error
