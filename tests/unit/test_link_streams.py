"""What the engine holds of a client: bounded, for a bounded time, and nothing afterwards."""

import gc
import logging
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import host
from owners import ME
from vibecell.engine import call_handler, daemon, execution, link_streams
from vibecell.model.errors import MalformedRequest, PlatformError
from vibecell.model.events import EndOfInput, Stdin
from vibecell.model.limits import Limits
from vibecell.model.verdicts import Verdict
from vibecell.wire import link as wire

from .test_engine_daemon import Engine, engine, request, result_of, run, until

MIB = 1024 * 1024
LONGEST_TEXT = 256 * 1024
FLOOD = Limits(output_bytes=4 * MIB)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with engine(max_concurrent=16, max_per_owner=64) as running:
        yield running


def attached(running: Engine, execution_id: str) -> socket.socket:
    """A connection that follows an execution, and has read nothing of it yet."""
    link = running.raw()
    link.sendall(wire.encode_message(wire.AttachCall(execution_id, ME.owner, 0)))
    assert select.select([link], [], [], 10)[0]
    return link


def is_hung_up(link: socket.socket) -> bool:
    """Whether the engine has ended the connection, whatever it had sent before."""
    link.settimeout(0)
    try:
        while link.recv(MIB):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def announced(size_bytes: int) -> bytes:
    return size_bytes.to_bytes(wire.LENGTH_BYTES, "big")


def test_the_longest_input_that_is_allowed_arrives_whole(shared: Engine) -> None:
    typed = "😀" * LONGEST_TEXT
    asked = request("echo()", interactive=True, limits=FLOOD)
    with shared.client.submit_and_follow(asked, ME) as live:
        live.send(Stdin(typed.encode()))
        live.send(EndOfInput())
        assert result_of(list(live.events())).stdout == typed.encode()


def test_longer_input_is_refused_where_it_is_sent(shared: Engine) -> None:
    with shared.client.submit_and_follow(request("echo()", interactive=True), ME) as live:
        with pytest.raises(MalformedRequest, match="too long"):
            live.send(Stdin(b"x" * (2 * MIB)))
        live.send(Stdin(b"short"))
        live.send(EndOfInput())
        assert result_of(list(live.events())).stdout == b"short"


def test_a_follower_that_announces_more_than_a_control_is_hung_up_on(shared: Engine) -> None:
    execution_id = shared.client.submit(request("sleep(30)"), ME).id
    with attached(shared, execution_id) as link:
        link.sendall(announced(2 * MIB))
        until(lambda: is_hung_up(link))
    assert shared.client.inspect(execution_id, ME.owner).standing.state == "running"


def test_half_a_control_is_not_waited_for_for_ever(
    shared: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_streams, "MESSAGE_TIMEOUT_S", 0.2)
    execution_id = shared.client.submit(request("sleep(30)"), ME).id
    with attached(shared, execution_id) as link:
        link.sendall(announced(MIB) + b"x" * (MIB // 2))
        until(lambda: is_hung_up(link))
    assert shared.client.inspect(execution_id, ME.owner).standing.state == "running"


def test_half_a_call_is_not_waited_for_for_ever(
    shared: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_handler, "CALL_TIMEOUT_S", 0.2)
    with shared.raw() as link:
        link.sendall(announced(8 * MIB) + b"x" * MIB)
        until(lambda: is_hung_up(link))


def test_a_message_in_many_pieces_arrives(shared: Engine) -> None:
    call = wire.encode_message(
        wire.ExecuteCall(request("echo()", stdin=b"x" * 300_000), ME, follow="result")
    )
    with shared.raw() as link, link.makefile("rb") as answers:
        for at in range(0, len(call), 50_000):
            link.sendall(call[at : at + 50_000])
            time.sleep(0.01)
        answers.read(wire.message_bytes(answers.read(wire.LENGTH_BYTES)))
        last = answers.read(wire.message_bytes(answers.read(wire.LENGTH_BYTES)))
    assert wire.decode_result(last).stdout == b"x" * 300_000


def test_who_reads_nothing_and_says_nonsense_is_let_go(
    shared: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_streams, "FLUSH_TIMEOUT_S", 0.2)
    execution_id = result_of(run(shared.client, "flood(2000000)", limits=FLOOD)).id
    with attached(shared, execution_id) as link:
        link.sendall(announced(7) + b"garbage")

        def is_let_go() -> bool:
            try:
                link.send(b"x")
            except BrokenPipeError:
                return True
            return False

        until(is_let_go)


def test_there_are_so_many_connections_and_no_more(
    shared: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "MAX_CONNECTIONS", 3)
    with ExitStack() as open_:
        held = [open_.enter_context(shared.raw()) for _ in range(3)]
        with shared.raw() as fourth:
            until(lambda: is_hung_up(fourth))
        assert not any(is_hung_up(link) for link in held)
        held[0].close()

        def is_served() -> bool:
            try:
                return shared.client.health().ready
            except PlatformError:
                return False

        until(is_served)


def test_a_busy_engine_lets_some_hundreds_wait_at_its_door(shared: Engine) -> None:
    wanted = 400
    if int(Path("/proc/sys/net/core/somaxconn").read_text()) < wanted:
        host.lacking("a kernel that lets 400 connections wait (net.core.somaxconn)")
    asleep, awake = threading.Event(), threading.Event()

    def sleep() -> None:
        asleep.set()
        awake.wait(20)

    shared._loop.call_soon_threadsafe(sleep)
    assert asleep.wait(10)
    try:
        with ExitStack() as open_:
            for _ in range(wanted):
                link = open_.enter_context(closing(socket.socket(socket.AF_UNIX)))
                link.setblocking(False)  # then a full queue is told at once
                link.connect(str(shared.settings.engine_socket))
    finally:
        awake.set()
    assert shared.client.health().ready


def _bytes_in(garbage: list[object]) -> int:
    """Size of the data in these objects, and in what of them no collector tracks."""
    held: dict[int, int] = {}
    waiting = list(garbage)
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            if id(each) not in held and not gc.is_tracked(each):
                held[id(each)] = sys.getsizeof(each)
                waiting.append(each)
    return sum(held.values())


def bytes_left_to_the_collector(scenario: Callable[[], None], times: int) -> float:
    """Bytes of data that only the collector would free, for each time."""
    scenario()
    time.sleep(0.3)
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            scenario()
        time.sleep(0.5)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        return _bytes_in(gc.garbage) / times
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_who_leaves_with_unread_events_leaves_nothing_behind(shared: Engine) -> None:
    execution_id = result_of(run(shared.client, "flood(2000000)", limits=FLOOD)).id

    def come_and_go() -> None:
        attached(shared, execution_id).close()

    assert bytes_left_to_the_collector(come_and_go, 20) < 4096


def test_who_leaves_in_the_middle_of_a_call_leaves_nothing_behind(shared: Engine) -> None:
    def come_and_go() -> None:
        with shared.raw() as link:
            link.sendall(announced(8 * MIB) + os.urandom(MIB))

    assert bytes_left_to_the_collector(come_and_go, 20) < 4096


def test_a_program_whose_cell_died_leaves_nothing_but_its_log(
    shared: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a test's log keeps the errors that were told to it
    monkeypatch.setattr(logging.getLogger(execution.__name__), "disabled", True)

    def die() -> None:
        asked = request("flood(1000000)\nsleep(0.05)\ndie()", limits=FLOOD)
        with shared.client.submit_and_follow(asked, ME) as live:
            assert result_of(list(live.events())).verdict is Verdict.INTERNAL_ERROR

    assert bytes_left_to_the_collector(die, 10) < 16 * 1024
