"""Who follows an execution and leaves: what comes back, what still arrives, what is told."""

import threading
import time
from collections.abc import Callable

import pytest

from owners import ANOTHER, ME
from vibecell.engine import call_handler, daemon, followers
from vibecell.engine.client import EngineClient
from vibecell.executor import Followed
from vibecell.model.access import Access
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import EngineUnavailable, QueueFull, UnknownExecution
from vibecell.model.events import EndOfInput, Stdin
from vibecell.model.limits import Limits

from .test_engine_daemon import engine, request, result_of, run, until

CONNECTIONS = 8
SLEEPER = request("sleep(60)", interactive=True, limits=Limits(wall_time_ms=30_000))
# A few are more than a cell and the engine take of what is not read; one more fits
# between two sockets.
UNREAD = Stdin(b"x" * 150_000)


def waiting_for_the_result(client: EngineClient) -> Followed:
    return client.submit_and_wait(SLEEPER, ME, "key")


def following_the_events(client: EngineClient) -> Followed:
    return client.submit_and_follow(SLEEPER, ME, "key")


def with_input_that_is_not_read(client: EngineClient) -> Followed:
    conversation = client.submit_and_follow(SLEEPER, ME, "key")
    conversation.receive(10)
    for _ in range(2):
        conversation.send(UNREAD)
    return conversation


def that_says_no_more(client: EngineClient) -> Followed:
    conversation = client.submit_and_follow(SLEEPER, ME, "key")
    conversation.end_controls()
    return conversation


@pytest.mark.parametrize(
    "follow",
    [
        waiting_for_the_result,
        following_the_events,
        with_input_that_is_not_read,
        that_says_no_more,
    ],
)
def test_who_left_a_program_that_goes_on_gives_its_connection_back(
    monkeypatch: pytest.MonkeyPatch, follow: Callable[[EngineClient], Followed]
) -> None:
    monkeypatch.setattr(daemon, "MAX_CONNECTIONS", CONNECTIONS)
    monkeypatch.setattr(call_handler, "CONTROL_TIMEOUT_S", 0.1)
    monkeypatch.setattr(call_handler, "LEFT_CHECK_S", 0.1)
    with engine() as running:
        for _ in range(3):
            held = [soon(lambda: follow(running.client)) for _ in range(CONNECTIONS)]
            for each in held:
                each.close()


def soon(follow: Callable[[], Followed]) -> Followed:
    """As soon as the engine has a connection for it, which may be a moment later."""
    end_s = time.monotonic() + 10.0
    while True:
        try:
            return follow()
        except EngineUnavailable:
            assert time.monotonic() < end_s, "no connection came back in time"
            time.sleep(0.01)


def test_a_result_that_was_waited_for_long_comes_over_a_connection_that_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(followers, "SHORT_WAIT_S", 0.01)
    with engine() as running:
        for number in range(3):
            program = request(f"sleep(0.2)\nprint({number})")
            with running.client.submit_and_wait(program, ME) as pending:
                assert pending.result(10).stdout == f"{number}\n".encode()


def test_one_owner_has_so_many_connections_that_follow() -> None:
    with engine(gateway=Access(concurrent=1)) as running:
        client = running.client
        first = client.submit_and_follow(SLEEPER, ME)
        second = client.attach(first.id, ME.owner)
        for refused in (
            lambda: client.attach(first.id, ME.owner),
            lambda: client.submit_and_wait(SLEEPER, ME),
            lambda: client.submit_and_follow(SLEEPER, ME),
        ):
            with pytest.raises(QueueFull, match="at most 2 connections"):
                refused()
        assert client.health().counts["begun"] == 1  # what is refused has not begun
        with pytest.raises(UnknownExecution):
            client.attach(first.id, ANOTHER.owner)
        client.submit(request("print(1)"), ME)
        second.close()
        until(lambda: can_follow(client))
        first.close()


def test_a_keys_many_users_have_as_many_connections_as_the_key() -> None:
    with engine(gateway=Access(concurrent=1)) as running:
        client = running.client
        ann, bob, carl = (Account(Owner("me", name)) for name in ("ann", "bob", "carl"))
        with client.submit_and_follow(SLEEPER, ann):
            with pytest.raises(QueueFull, match="at most your share of 2 connections"):
                client.submit_and_follow(SLEEPER, ann)
            with client.submit_and_follow(SLEEPER, bob):
                for account in (carl, bob, ME):
                    with pytest.raises(QueueFull, match="at most 2 connections"):
                        client.submit_and_follow(SLEEPER, account)
                with client.submit_and_follow(SLEEPER, ANOTHER):
                    assert client.health().counts["begun"] == 3


def can_follow(client: EngineClient) -> bool:
    try:
        return result_of(run(client, "print(1)")).stdout == b"1\n"
    except QueueFull:
        return False


def test_what_was_sent_before_leaving_is_taken_in_order() -> None:
    with engine() as running:
        client = running.client
        with client.submit_and_follow(request("echo()", interactive=True), ME) as live:
            for number in range(200):
                live.send(Stdin(b"%d\n" % number))
            live.send(EndOfInput())
            live.end_controls()
            list(live.events())
        with client.attach(live.id, ME.owner) as again:
            result = result_of(list(again.events()))
        assert result.stdout == b"".join(b"%d\n" % number for number in range(200))


@pytest.mark.parametrize("leave", ["close", "end_controls"])
def test_who_leaves_is_told_no_end_that_nobody_knows(leave: str) -> None:
    with engine() as running:
        with running.client.submit_and_follow(SLEEPER, ME) as live:
            assert live.receive(10) is not None
            leaving = threading.Timer(0.1, getattr(live, leave))
            leaving.start()
            began_s = time.monotonic()
            assert live.receive(60) is None
            assert time.monotonic() - began_s < 30
            leaving.join()
        assert running.client.inspect(live.id, ME.owner).result is None
