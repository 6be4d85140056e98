"""A program that waits for input blocks nobody, and goes on at once when there is some."""

import time
from collections.abc import Callable

import pytest

from owners import ANOTHER, ME
from vibecell.model.events import Cancel, Queued, Started, Stdin, Stream
from vibecell.model.execution import Interactive
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.fake import seen_waiting

from .test_engine_daemon import Engine, engine, request, result_of, run, until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_waiting, "STILL_S", 0.02)


def counted(of: Engine, /, **wanted: int) -> Callable[[], bool]:
    return lambda: wanted.items() <= of.client.health().counts.items()


@pytest.mark.parametrize("interactive", [True, "pipe"])
def test_a_program_at_a_prompt_does_not_block_another(interactive: Interactive) -> None:
    with engine(max_concurrent=1) as running:
        waiting = request("print(input())", interactive=interactive)
        with running.client.submit_and_follow(waiting, ME) as prompt:
            until(counted(running, running=0, parked=1, queued=0))
            assert result_of(run(running.client, "print(1)")).stdout == b"1\n"
            prompt.send(Stdin(b"on\n"))
            assert result_of(list(prompt.events())).stdout == b"on\n"
        until(counted(running, running=0, parked=0))


def test_it_goes_on_at_once_while_another_has_the_only_place() -> None:
    with engine(max_concurrent=1) as running:
        client = running.client
        waiting = request("print(input())\nsleep(30)", interactive="pipe")
        with client.submit_and_follow(waiting, ME) as prompt:
            until(counted(running, parked=1))
            with client.submit_and_follow(request("sleep(30)"), ANOTHER) as other:
                assert isinstance(other.receive(5).event, Started)  # type: ignore[union-attr]
                prompt.send(Stdin(b"on\n"))
                assert isinstance(prompt.receive(5).event, Started)  # type: ignore[union-attr]
                assert isinstance(prompt.receive(5).event, Stream)  # type: ignore[union-attr]
                until(counted(running, running=2, parked=0))
                with client.submit_and_follow(request("print(3)"), ANOTHER) as third:
                    assert third.receive(5).event == Queued(0)  # type: ignore[union-attr]
                    other.send(Cancel())
                    list(other.events())
                    # who went on beside the one place keeps nobody from it
                    assert result_of(list(third.events())).stdout == b"3\n"
                    until(counted(running, running=1, queued=0))
                    prompt.send(Cancel())
                    list(prompt.events())


def test_who_finds_no_room_to_wait_without_a_place_keeps_it() -> None:
    with engine(max_concurrent=1, max_parked=0) as running:
        waiting = request("print(input())", interactive="pipe")
        with running.client.submit_and_follow(waiting, ME) as prompt:
            until(counted(running, running=1))
            time.sleep(0.1)  # it is seen to wait long before that
            with running.client.submit_and_follow(request("print(1)"), ANOTHER) as other:
                assert other.receive(5).event == Queued(0)  # type: ignore[union-attr]
                prompt.send(Stdin(b"on\n"))
                list(prompt.events())
                assert result_of(list(other.events())).stdout == b"1\n"


def test_what_waits_can_be_cancelled() -> None:
    with engine(max_concurrent=1) as running:
        waiting = request("print(input())", interactive="pipe")
        with running.client.submit_and_follow(waiting, ME) as prompt:
            until(counted(running, parked=1))
            prompt.send(Cancel())
            assert result_of(list(prompt.events())).verdict is Verdict.CANCELLED
        until(counted(running, running=0, parked=0))
