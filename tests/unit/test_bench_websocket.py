"""The benchmark's WebSocket client, against the library's server."""

import json
import threading
from collections.abc import Iterator

import pytest
from websockets.sync.server import ServerConnection, serve

from bench.case import BenchFailed
from bench.websocket import WebSocket, events_of


def behave(connection: ServerConnection) -> None:
    asked = json.loads(connection.recv())
    if asked.get("code") == "refuse":
        connection.send('{"type":"error"}')
        return
    connection.ping()
    connection.send(json.dumps({"type": "stream", "data": "é" * asked["size"]}))
    connection.send(iter(('{"type":', '"finished"}')))
    connection.recv()


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with serve(behave, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("size", [1, 60, 100, 30_000, 40_000])
def test_messages_of_all_lengths_come_whole(address: tuple[str, int], size: int) -> None:
    with WebSocket(address, "/") as websocket:
        found = list(events_of(websocket, {"size": size, "more": "x" * 2 * size}))
        assert [event["type"] for event in found] == ["stream", "finished"]
        assert found[0]["data"] == "é" * size


def test_a_refusal_is_a_failure(address: tuple[str, int]) -> None:
    with WebSocket(address, "/") as websocket, pytest.raises(BenchFailed, match="refused"):
        list(events_of(websocket, {"code": "refuse"}))


def test_an_end_without_a_result_is_a_failure(address: tuple[str, int]) -> None:
    with WebSocket(address, "/") as websocket:
        list(events_of(websocket, {"size": 1}))
        websocket.send({"type": "over"})
        with pytest.raises(BenchFailed, match="closed"):
            websocket.receive()
