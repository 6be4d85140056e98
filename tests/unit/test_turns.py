"""Turns at the one thread: nobody goes on for ever, however many bytes are ready.

Nothing here is timed. Steps are counted: those that were taken between the moment
at which somebody else became ready and the moment at which that one was served.
"""

import socket as plain_sockets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from vibecell.gateway.http import turns
from vibecell.gateway.http.connection import Connection, RequestReader
from vibecell.gateway.http.turns import PIPELINED_PER_S, Share

STEP_BYTES = 100
#: Turns that may pass between two moments at which the loop has looked at all sockets.
FEW = 3


@pytest.fixture(autouse=True)
def slices_are_counted_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE_S", float("inf"))
    monkeypatch.setattr(turns, "SLICE_BYTES", 10 * STEP_BYTES)
    monkeypatch.setattr(turns, "UNKNOWN_FRACTION", 0.2)


class Hogs:
    """Connections of which each takes a step whenever it may."""

    def __init__(self, shares: list[Share], known: bool = True) -> None:
        self.steps = 0
        self.most = 100_000  # or a test without turns would never end
        self._ends = [socket.socketpair() for _ in shares]
        self.connections = [
            Connection(near, "192.0.2.1", 5.0, share=share)
            for (near, _), share in zip(self._ends, shares, strict=True)
        ]
        for connection in self.connections:
            connection.owner = "an owner" if known else None
        self.workers = [gevent.spawn(self._work, each) for each in self.connections]

    def _work(self, connection: Connection) -> None:
        while self.steps < self.most:
            self.steps += 1
            connection.take_turn(STEP_BYTES)

    def end(self) -> None:
        gevent.killall(self.workers)
        for pair in self._ends:
            for each in pair:
                each.close()


@pytest.fixture
def victim() -> Iterator[tuple[Connection, socket.socket]]:
    near, far = socket.socketpair()
    yield Connection(near, "192.0.2.2", 5.0), far
    near.close()
    far.close()


def steps_until_served(hogs: Hogs, victim: tuple[Connection, socket.socket]) -> int:
    """Steps of the hogs from a byte sent to the victim's until it has been received."""
    connection, far = victim
    served_at: list[int] = []

    def wait() -> None:
        connection.receive(1, 5.0)
        served_at.append(hogs.steps)

    waiting = gevent.spawn(wait)
    while not hogs.steps:  # all have begun
        gevent.sleep(0.001)
    sent_at = hogs.steps
    far.send(b"x")
    try:
        waiting.join(5.0)
    finally:
        hogs.end()
    assert served_at, "it was never served"
    return served_at[0] - sent_at


def test_one_whose_bytes_are_always_there_lets_others_run(
    victim: tuple[Connection, socket.socket],
) -> None:
    assert steps_until_served(Hogs([Share()]), victim) <= FEW * 10


def test_two_do_not_give_way_to_each_other_alone(
    victim: tuple[Connection, socket.socket],
) -> None:
    assert steps_until_served(Hogs([Share(), Share()]), victim) <= FEW * 2 * 10


def test_all_connections_of_a_peer_have_one_slice_together(
    victim: tuple[Connection, socket.socket],
) -> None:
    share = Share()
    assert steps_until_served(Hogs([share] * 50), victim) <= FEW * 10


def test_a_stranger_has_less(victim: tuple[Connection, socket.socket]) -> None:
    assert steps_until_served(Hogs([Share()], known=False), victim) <= FEW * 2


def test_all_of_a_peer_come_to_their_turn() -> None:
    share = Share()
    took = [0] * 20
    hogs = Hogs([share])

    def work(number: int, connection: Connection) -> None:
        for _ in range(30):
            connection.take_turn(STEP_BYTES)
            took[number] += 1

    workers = [gevent.spawn(work, n, hogs.connections[0]) for n in range(len(took))]
    gevent.joinall(workers, 10.0)
    hogs.end()
    assert took == [30] * len(took)


def test_one_that_is_killed_in_the_queue_holds_nobody_up() -> None:
    hogs = Hogs([Share()] * 3)
    while not hogs.steps:
        gevent.sleep(0.001)
    hogs.workers[0].kill()
    before = hogs.steps
    for _ in range(5):
        gevent.sleep(0.001)
    assert hogs.steps > before
    hogs.end()


def test_a_small_slice_of_time_ends_a_turn_as_well(
    monkeypatch: pytest.MonkeyPatch, victim: tuple[Connection, socket.socket]
) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 0.0)
    monkeypatch.setattr(turns, "SLICE_BYTES", 10**9)
    assert steps_until_served(Hogs([Share()]), victim) <= FEW


def test_one_that_reads_all_that_is_sent_does_not_stop_everybody(
    victim: tuple[Connection, socket.socket],
) -> None:
    """A response that never has to wait, since its reader is in another thread."""
    near, far = plain_sockets.socketpair()
    gone = threading.Event()

    def read() -> None:
        while far.recv(1 << 20):
            pass
        gone.set()

    threading.Thread(target=read, daemon=True).start()
    connection = Connection(socket.socket(fileno=near.detach()), "192.0.2.1", 5.0)
    connection.owner = "an owner"
    sent: list[int] = [0]

    def send() -> None:
        for _ in range(20_000):
            connection.send_all(b"x" * STEP_BYTES)
            sent[0] += 1

    sender = gevent.spawn(send)
    served_at: list[int] = []
    waiting = gevent.spawn(lambda: victim[0].receive(1, 5.0) and served_at.append(sent[0]))
    victim[1].send(b"x")
    waiting.join(5.0)
    sender.kill()
    connection.abort()
    connection.socket.close()
    assert gone.wait(5.0)
    far.close()
    assert served_at and served_at[0] <= FEW * 10


def test_one_that_sends_all_the_time_does_not_stop_everybody(
    victim: tuple[Connection, socket.socket],
) -> None:
    near, far = plain_sockets.socketpair()
    far.sendall(b"x" * 100_000)
    connection = Connection(socket.socket(fileno=near.detach()), "192.0.2.1", 5.0)
    reader = RequestReader(connection)
    reader.allow(5.0)
    received: list[int] = [0]

    def read() -> None:
        while reader.readinto(bytearray(STEP_BYTES)):
            received[0] += 1

    worker = gevent.spawn(read)
    served_at: list[int] = []
    waiting = gevent.spawn(lambda: victim[0].receive(1, 5.0) and served_at.append(received[0]))
    victim[1].send(b"x")
    waiting.join(5.0)
    worker.kill()
    connection.socket.close()
    far.close()
    assert served_at and served_at[0] <= FEW * 2


def moving(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now_s = [1000.0]
    # not the clock of all: other threads of this process look at it
    monkeypatch.setattr(
        turns, "time", SimpleNamespace(monotonic=lambda: now_s[0], perf_counter=time.perf_counter)
    )

    def pass_by(seconds: float) -> None:
        now_s[0] += seconds

    return pass_by


def test_pipelined_requests_of_a_peer_are_bounded_per_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pass_by = moving(monkeypatch)
    share = Share()
    assert not any(share.pipelined_wait_s() for _ in range(PIPELINED_PER_S))
    pass_by(0.25)
    assert share.pipelined_wait_s() == 0.75
    pass_by(0.75)
    assert share.pipelined_wait_s() == 0.0


def test_strangers_have_their_part_however_many_connections_they_have() -> None:
    share = Share()
    steps: Counter[int] = Counter()  # by the iteration of the loop

    def stranger() -> None:
        while True:
            steps[share.loop.iteration] += 1
            share.spend(share.loop.iteration, 0.0, STEP_BYTES, known=False)

    many = [gevent.spawn(stranger) for _ in range(16)]
    gevent.sleep(0.05)
    gevent.killall(many)
    _begun, *later = steps.values()  # at first all of them take a step before any is counted
    assert len(later) > 10
    # two of ten, and one that is under way when they have been taken
    assert max(later) <= 3
