"""The WebSockets, against a running service, with a foreign client library."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from integration.live import Service

RESIZED = """
import os, signal, time
say = lambda *_: os.write(1, b"resized %dx%d" % tuple(os.get_terminal_size()))
signal.signal(signal.SIGWINCH, say)
print("on")
while True: time.sleep(0.05)
"""
SLEEPER = {"code": "import time\nprint('a')\ntime.sleep(20)", "limits": {"wall_time_ms": 30000}}


def opened(
    service: Service, path: str = "/v1/executions/stream", **options: Any
) -> ClientConnection:
    return connect(service.ws + path, proxy=None, **options)


def say(websocket: ClientConnection, **message: object) -> None:
    websocket.send(json.dumps(message))


def hear(websocket: ClientConnection, timeout: float = 10) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(websocket.recv(timeout))
    return message


def begun(websocket: ClientConnection, **body: object) -> str:
    say(websocket, type="execute", **body)
    first = hear(websocket)
    assert first["type"] == "accepted", first
    return str(first["id"])


def until_finished(websocket: ClientConnection) -> list[dict[str, Any]]:
    seen = []
    while not seen or seen[-1]["type"] != "finished":
        seen.append(hear(websocket))
    return seen


def close_code(websocket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        while True:
            websocket.recv(10)
    code = websocket.close_code
    assert code is not None
    return code


def state(service: Service, execution: str) -> str:
    answer = requests.get(f"{service.url}/v1/executions/{execution}", timeout=5).json()
    result = answer["result"]
    return str(result["verdict"] if result else answer["state"])


def eventually(holds: Callable[[], bool], seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


class TestRunning:
    def test_events_then_normal_close(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, code="print('a')")
            seen = until_finished(websocket)
            assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
            assert seen[-1]["result"]["verdict"] == "accepted"
            assert close_code(websocket) == 1000

    def test_input_is_answered(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, code="print('hello', input())", interactive=True)
            say(websocket, type="resize", columns=100, rows=30)
            say(websocket, type="stdin", data="wörld\n")
            assert "wörld" in until_finished(websocket)[-1]["result"]["stdout"]

    def test_cancel(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, **SLEEPER)
            while hear(websocket)["type"] != "stream":
                pass
            say(websocket, type="cancel")
            result = until_finished(websocket)[-1]["result"]
            assert (result["verdict"], result["stdout"]) == ("cancelled", "a\n")

    def test_a_cancel_is_heard_behind_input_that_is_not_read(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, **{**SLEEPER, "interactive": True})
            while hear(websocket)["type"] != "stream":
                pass
            for _ in range(4):
                say(websocket, type="stdin", data="x" * 200_000)
            say(websocket, type="cancel")
            assert until_finished(websocket)[-1]["result"]["verdict"] == "cancelled"

    def test_a_signal_and_a_size_are_heard_behind_input_that_is_not_read(
        self, service: Service
    ) -> None:
        with opened(service) as websocket:
            code = RESIZED if service.live else "print('on')\nwhile True: pass"
            begun(websocket, code=code, interactive=True)
            while "on" not in hear(websocket).get("data", ""):
                pass
            for _ in range(4):
                say(websocket, type="stdin", data="x\n" * 100_000)
            say(websocket, type="resize", columns=50, rows=20)
            while "resized 50x20" not in hear(websocket).get("data", ""):
                pass
            say(websocket, type="signal", name="SIGINT")
            outcome = until_finished(websocket)[-1]["result"]["stages"][0]["outcome"]
            assert outcome["signal"] == "SIGINT" or outcome["exit_code"] == 130

    def test_who_cannot_be_heard_is_told(self, service: Service) -> None:
        if service.live:
            pytest.skip("needs a cell that is deaf, which a live service has not")
        with opened(service) as websocket:
            execution = begun(
                websocket,
                code="deaf()\nprint('on')\nwhile True: pass",
                on_disconnect="continue",
                interactive=True,
            )
            while "on" not in hear(websocket).get("data", ""):
                pass
            controls = f"{service.url}/v1/executions/{execution}/controls"
            answer = requests.post(controls, json={"type": "signal", "name": "SIGINT"}, timeout=10)
            assert answer.status_code == 409
            assert answer.json()["type"] == "urn:vibecell:problem:conflict"
            say(websocket, type="signal", name="SIGINT")
            told = hear(websocket)
            assert (told["type"], told["problem"]["status"]) == ("error", 409)
            assert close_code(websocket) == 4409
            requests.delete(f"{service.url}/v1/executions/{execution}", timeout=5)
            assert eventually(lambda: state(service, execution) == "cancelled")

    def test_a_fragmented_message(self, service: Service) -> None:
        with opened(service) as websocket:
            text = json.dumps({"type": "execute", "code": "print('é')"}, ensure_ascii=False)
            data = text.encode()
            middle = data.index("é".encode()) + 1  # inside a character
            frames = (
                Frame(Opcode.TEXT, data[:middle], fin=False),
                Frame(Opcode.PING, b"between"),
                Frame(Opcode.CONT, data[middle:], fin=True),
            )
            for frame in frames:
                websocket.socket.sendall(frame.serialize(mask=True))
            assert hear(websocket)["type"] == "accepted"
            assert until_finished(websocket)[-1]["result"]["stdout"] == "é\n"

    def test_many_at_once(self, service: Service) -> None:
        with ExitStack() as stack:
            sockets = [stack.enter_context(opened(service)) for _ in range(20)]
            for index, websocket in enumerate(sockets):
                say(websocket, type="execute", code=f"print({index})")
            for index, websocket in enumerate(sockets):
                assert hear(websocket)["type"] == "accepted"
                assert until_finished(websocket)[-1]["result"]["stdout"] == f"{index}\n"


class TestLeaving:
    def test_who_leaves_cancels(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"disconnect_grace_s": 0.3})
        with opened(service) as websocket:
            execution = begun(websocket, **SLEEPER)
        assert eventually(lambda: state(service, execution) == "cancelled")

    def test_who_is_cut_off_cancels(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"disconnect_grace_s": 0.3})
        with opened(service) as websocket:
            execution = begun(websocket, **SLEEPER)
            websocket.socket.shutdown(2)
            assert eventually(lambda: state(service, execution) == "cancelled")

    def test_who_asked_to_continue_does_not(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"disconnect_grace_s": 0.1})
        with opened(service) as websocket:
            execution = begun(websocket, **SLEEPER, on_disconnect="continue")
        time.sleep(1)
        assert state(service, execution) == "running"
        requests.delete(f"{service.url}/v1/executions/{execution}", timeout=5)

    def test_a_reload_goes_on(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"disconnect_grace_s": 1.0})
        body = {"code": "print('a')\nprint(input())\n", "interactive": True}
        with opened(service) as websocket:
            execution = begun(websocket, **body)
            first = hear(websocket)
        with opened(service, f"/v1/executions/{execution}/stream?after=0") as websocket:
            assert hear(websocket) == {"type": "accepted", "id": execution}
            assert hear(websocket) == first
            time.sleep(1.5)
            say(websocket, type="stdin", data="still here\n")
            assert "still here" in until_finished(websocket)[-1]["result"]["stdout"]

    def test_attaching_after_the_end(self, service: Service) -> None:
        with opened(service) as websocket:
            execution = begun(websocket, code="print(1)")
            last = until_finished(websocket)[-1]["seq"]
        with opened(service, f"/v1/executions/{execution}/stream?after={last - 1}") as websocket:
            assert hear(websocket)["type"] == "accepted"
            assert hear(websocket)["type"] == "finished"
        with opened(service, f"/v1/executions/{execution}/stream?after={last}") as websocket:
            assert hear(websocket)["type"] == "accepted"
            assert close_code(websocket) == 1000


class TestRefusals:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("no json", 4400),
            ('{"a":1,"a":2}', 4400),
            ("[]", 4422),
            ('{"type":"stdin","data":"x"}', 4422),
            ('{"type":"execute"}', 4422),
            ('{"type":"execute","code":"x","nonsense":1}', 4422),
            ('{"type":"execute","code":"x","language":"cobol"}', 4422),
        ],
    )
    def test_a_wrong_first_message(self, service: Service, message: str, code: int) -> None:
        with opened(service) as websocket:
            websocket.send(message)
            told = hear(websocket)
            assert told["type"] == "error"
            assert told["problem"]["status"] == code - 4000
            assert close_code(websocket) == code
        assert service.is_unharmed()

    def test_a_second_execute(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, **SLEEPER)
            say(websocket, type="execute", code="print(1)")
            assert close_code(websocket) == 4409

    def test_a_wrong_control(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, **SLEEPER)
            say(websocket, type="signal", name="SIGNONSENSE")
            assert close_code(websocket) == 4422

    def test_binary_messages(self, service: Service) -> None:
        with opened(service) as websocket:
            websocket.send(b"{}")
            assert close_code(websocket) == 1003

    def test_text_that_is_not_utf8(self, service: Service) -> None:
        with opened(service) as websocket:
            websocket.socket.sendall(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
            assert close_code(websocket) == 1007

    def test_a_message_that_is_too_big(self, service: Service) -> None:
        with opened(service) as websocket:
            with pytest.raises(ConnectionClosed):
                websocket.send("x" * (1024 * 1024 + 1))
                websocket.recv(10)
            assert websocket.close_code == 1009
        assert service.is_unharmed()

    def test_fragments_that_are_too_big_together(self, service: Service) -> None:
        with opened(service) as websocket:
            with pytest.raises(ConnectionClosed):
                websocket.send("x" * 65536 for _ in range(40))
                websocket.recv(10)
            assert websocket.close_code == 1009

    def test_unmasked_frames(self, service: Service) -> None:
        with opened(service) as websocket:
            websocket.socket.sendall(Frame(Opcode.TEXT, b"{}").serialize(mask=False))
            assert close_code(websocket) == 1002

    def test_a_flood_of_pings(self, service: Service) -> None:
        with opened(service) as websocket:
            begun(websocket, **SLEEPER)
            try:
                for _ in range(50):
                    websocket.socket.sendall(Frame(Opcode.PING, b"").serialize(mask=True) * 100)
            except OSError:
                pass
            assert eventually(lambda: websocket.close_code is not None)
        assert service.is_unharmed()

    def test_an_unknown_execution(self, service: Service) -> None:
        with pytest.raises(InvalidStatus) as refused:
            opened(service, f"/v1/executions/{'x' * 24}/stream")
        assert refused.value.response.status_code == 404

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "file://", "http://[", ""])
    def test_a_foreign_page(self, service: Service, origin: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            opened(service, additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403

    def test_our_own_page(self, service: Service) -> None:
        with opened(service, additional_headers={"Origin": service.url}) as websocket:
            begun(websocket, code="print(1)")

    def test_no_handshake_at_all(self, service: Service) -> None:
        answer = requests.get(f"{service.url}/v1/executions/stream", timeout=5)
        assert answer.status_code == 426
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_no_first_message(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"first_message_s": 0.3})
        with opened(service) as websocket:
            assert close_code(websocket) == 4408


class TestKeys:
    KEY = "a-key-of-the-tests-0123456789"

    def test_a_key_comes_before_the_handshake(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"api_keys": [self.KEY]})
        with pytest.raises(InvalidStatus) as refused:
            opened(service)
        assert refused.value.response.status_code == 401
        header = {"Authorization": f"Bearer {self.KEY}"}
        with opened(service, additional_headers=header) as websocket:
            begun(websocket, code="print(1)")

    def test_a_browser_brings_it_as_a_subprotocol(
        self, make_service: Callable[..., Service]
    ) -> None:
        service = make_service(policy={"api_keys": [self.KEY]})
        key = f"vibecell.key.{self.KEY}"
        # the answer is no echo; one who did not offer it is answered none, and goes on
        for offered, answered in ((["vibecell.v1", key], "vibecell.v1"), ([key], None)):
            with opened(service, subprotocols=offered) as websocket:
                assert websocket.subprotocol == answered
                begun(websocket, code="print(1)")


class TestLiveness:
    def test_a_dead_peer_is_noticed(self, make_service: Callable[..., Service]) -> None:
        service = make_service(websocket={"ping_every_s": 0.2}, policy={"disconnect_grace_s": 0.1})
        with service.connect() as client:
            client.sendall(
                b"GET /v1/executions/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            received = b""
            while data := client.recv(4096):  # never answers a ping
                received += data
        assert b" 101 " in received
        assert b"no answer to ping" in received

    def test_a_slow_reader_delays_only_itself(self, service: Service) -> None:
        with opened(service, max_queue=1, max_size=None) as slow:
            program = "\n".join(["print('" + "x" * 1000 + "')"] * 900)
            begun(slow, code=program)
            assert service.is_unharmed()  # while the slow one has read nothing of it
            assert until_finished(slow)[-1]["result"]["verdict"] == "accepted"

    def test_going_away(self, make_service: Callable[..., Service]) -> None:
        service = make_service()
        with opened(service) as websocket:
            begun(websocket, **SLEEPER)
            assert service.gateway is not None
            service.gateway.terminate()
            assert close_code(websocket) == 1001
            assert service.gateway.wait(30) == 0
