"""The public contract over HTTP, against a running service."""

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from integration.live import Service
from vibecell.model.stopping import GATEWAY_KILL_S


def execute(service: Service, **body: object) -> dict[str, object]:
    answer = requests.post(f"{service.url}/execute", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def begin(service: Service, **body: object) -> str:
    answer = requests.post(f"{service.url}/v1/executions", json=body, timeout=10)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/executions/{answer.json()['id']}"
    return str(answer.json()["id"])


def events(service: Service, execution: str, **params: object) -> list[dict[str, object]]:
    url = f"{service.url}/v1/executions/{execution}/events"
    answer = requests.get(url, params=params, timeout=20)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def state(service: Service, execution: str) -> dict[str, object]:
    answer = requests.get(f"{service.url}/v1/executions/{execution}", timeout=10)
    assert answer.status_code == 200
    return answer.json()  # type: ignore[no-any-return]


def eventually(holds: Callable[[], bool], seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


class TestExecute:
    def test_the_original_contract(self, service: Service) -> None:
        answer = execute(service, code="print(6*7)", language="python")
        assert (answer["success"], answer["output"], answer["error"]) == (True, "42\n", "")
        assert answer["verdict"] == "accepted"
        assert answer["exit_code"] == 0

    def test_what_was_displayed_is_in_the_answer_and_in_the_stored_result(
        self, service: Service
    ) -> None:
        code = """display('{"text/html": "<b>"}')"""
        answer = execute(service, code=code)
        (shown,) = answer["displays"]  # type: ignore[misc]
        assert shown["data"] == {"text/html": "<b>"}
        url = f"{service.url}/v1/executions/{answer['id']}"
        assert requests.get(url, timeout=10).json()["result"]["displays"] == [shown]
        described = requests.get(url, {"displays": "described"}, timeout=10).json()["result"]
        assert described["displays"] == [{**shown, "data": None}]
        wrong = requests.get(url, {"displays": "no"}, timeout=10)
        assert wrong.status_code == 400
        posted = requests.post(
            f"{service.url}/execute?displays=described", json={"code": code}, timeout=20
        )
        assert [d["data"] for d in posted.json()["displays"]] == [None]

    def test_python_is_the_default(self, service: Service) -> None:
        assert execute(service, code="print('x')")["output"] == "x\n"

    def test_a_failing_program_is_an_answer(self, service: Service) -> None:
        answer = execute(service, code="import sys\nsys.exit(3)")
        assert (answer["success"], answer["exit_code"]) == (False, 3)
        assert answer["verdict"] == "runtime_error"

    def test_files_stdin_and_entrypoint(self, service: Service) -> None:
        answer = execute(
            service,
            files=[{"path": "other.py", "content": "print(input())"}],
            entrypoint="other.py",
            stdin="hello\n",
        )
        assert answer["output"] == "hello\n"

    def test_files_that_do_not_fit_are_counted(self, service: Service) -> None:
        code = "\n".join(f"leave('{number}.txt', 'x')" for number in range(70))
        answer = execute(service, code=code)
        assert (len(answer["files"]), answer["files_left_out"]) == (64, 6)  # type: ignore[arg-type]

    def test_base64_gets_bytes(self, service: Service) -> None:
        answer = execute(service, code="print('é')", encoding="base64")
        assert base64.b64decode(str(answer["output"])) == "é\n".encode()

    def test_expected_output(self, service: Service) -> None:
        answer = execute(service, code="print(1)", expected_output="2\n")
        assert (answer["success"], answer["verdict"]) == (False, "wrong_answer")

    def test_time_limit(self, service: Service) -> None:
        answer = execute(service, code="print('a')\nwhile True: pass", limits={"wall_time_ms": 300})
        assert answer["verdict"] == "time_limit_exceeded"
        assert "time limit exceeded" in str(answer["error"])
        assert answer["output"] == "a\n"

    def test_a_client_that_leaves_cancels(self, service: Service) -> None:
        body = json.dumps(
            {"code": "import time\ntime.sleep(60)", "limits": {"wall_time_ms": 60000}}
        )
        before = running(service)
        with service.connect() as client:
            client.sendall(
                f"POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            assert eventually(lambda: running(service) > before)
        assert eventually(lambda: running(service) <= before)

    def test_an_idempotency_key_names_one_execution(self, service: Service) -> None:
        key = {"Idempotency-Key": f"key-{time.time_ns()}"}
        url = f"{service.url}/execute"
        first = requests.post(url, json={"code": "print(1)"}, headers=key, timeout=10)
        second = requests.post(url, json={"code": "print(1)"}, headers=key, timeout=10)
        assert first.json()["id"] == second.json()["id"]
        third = requests.post(url, json={"code": "print(2)"}, headers=key, timeout=10)
        assert third.status_code == 409


def running(service: Service) -> int:
    text = requests.get(f"{service.url}/metrics", timeout=10).text
    for line in text.splitlines():
        if line.startswith("vibecell_executions_running "):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


class TestExecutions:
    def test_begin_then_look(self, service: Service) -> None:
        execution = begin(service, code="print('a')")
        assert events(service, execution)[-1]["type"] == "finished"
        seen = state(service, execution)
        assert seen["state"] == "finished"
        assert seen["result"]["stdout"] == "a\n"  # type: ignore[index]

    @pytest.mark.parametrize(
        ("preferred", "applied"),
        [("respond-async, wait=10", "wait=10"), ("Wait=99999999999", "wait=60")],
    )
    def test_prefer_wait(self, service: Service, preferred: str, applied: str) -> None:
        answer = requests.post(
            f"{service.url}/v1/executions",
            json={"code": "print('a')"},
            headers={"Prefer": preferred},
            timeout=15,
        )
        assert answer.status_code == 200
        assert answer.headers["Preference-Applied"] == applied
        assert answer.json()["result"]["verdict"] == "accepted"

    def test_prefer_wait_that_is_too_short(self, service: Service) -> None:
        answer = requests.post(
            f"{service.url}/v1/executions",
            json={"code": "import time\ntime.sleep(3)"},
            headers={"Prefer": "wait=1"},
            timeout=15,
        )
        assert answer.status_code == 202
        requests.delete(f"{service.url}/v1/executions/{answer.json()['id']}", timeout=5)

    def test_cancel(self, service: Service) -> None:
        execution = begin(service, code="import time\ntime.sleep(30)")
        answer = requests.delete(f"{service.url}/v1/executions/{execution}", timeout=10)
        assert answer.status_code == 204
        last = events(service, execution)[-1]
        assert last["result"]["verdict"] == "cancelled"  # type: ignore[index]
        again = requests.delete(f"{service.url}/v1/executions/{execution}", timeout=10)
        assert again.status_code == 204

    def test_controls(self, service: Service) -> None:
        execution = begin(service, code="print(input())", interactive=True)
        url = f"{service.url}/v1/executions/{execution}/controls"
        for control in (
            {"type": "resize", "columns": 80, "rows": 24},
            {"type": "stdin", "data": "hé\n"},
        ):
            assert requests.post(url, json=control, timeout=10).status_code == 204
        last = events(service, execution)[-1]
        assert "hé" in last["result"]["stdout"]  # type: ignore[index]
        late = requests.post(url, json={"type": "stdin", "data": "x"}, timeout=10)
        assert late.status_code == 409

    def test_a_list_is_newest_first_and_in_pages(self, service: Service) -> None:
        begun = [begin(service, code=f"print({n})") for n in range(3)][::-1]
        for execution in begun:
            events(service, execution)
        url, found = f"{service.url}/v1/executions?limit=2&state=finished", []
        page = url
        while len(found) < 3:
            answer = requests.get(page, timeout=10)
            assert answer.status_code == 200, answer.text
            found += answer.json()["executions"]
            page = f"{url}&page={answer.json()['next_page']}"
        assert [each["id"] for each in found[:3]] == begun
        for each in found[:3]:
            assert (each["state"], each["verdict"]) == ("finished", "accepted")
            assert each["begun_at_ms"] <= each["ended_at_ms"]

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_an_unknown_id(self, service: Service, method: str) -> None:
        answer = requests.request(method, f"{service.url}/v1/executions/{'x' * 24}", timeout=10)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


class TestEvents:
    def test_ndjson_keeps_the_laws(self, service: Service) -> None:
        execution = begin(service, code="print('a')\nprint('b')")
        seen = events(service, execution)
        assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
        assert [e["type"] for e in seen].count("finished") == 1
        text = "".join(str(e["data"]) for e in seen if e["type"] == "stream")
        assert text == "a\nb\n"

    def test_resuming_after_any_event(self, service: Service) -> None:
        execution = begin(service, code="print('a')\nprint('b')")
        whole = events(service, execution)
        for after in range(len(whole)):
            assert events(service, execution, after=after) == whole[after:]

    def test_after_the_last_event_nothing_follows(self, service: Service) -> None:
        execution = begin(service, code="print('a')")
        last = events(service, execution)[-1]["seq"]
        url = f"{service.url}/v1/executions/{execution}/events"
        assert requests.get(url, params={"after": last}, timeout=5).status_code == 204
        header = {"Last-Event-ID": str(last), "Accept": "text/event-stream"}
        assert requests.get(url, headers=header, timeout=5).status_code == 204
        assert requests.get(url, params={"after": int(str(last)) + 1}, timeout=5).status_code == 422

    def test_server_sent_events(self, service: Service) -> None:
        code = "print('data: forged')\nprint('\\r\\nid: 9')\nleave('\\n\\nid: 9\\ndata: x', 'x')"
        execution = begin(service, code=code)
        url = f"{service.url}/v1/executions/{execution}/events"
        with requests.get(
            url, headers={"Accept": "text/event-stream"}, stream=True, timeout=10
        ) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["X-Accel-Buffering"] == "no", "a proxy may hold it back"
            seen = list(parsed(answer.iter_lines()))
        assert [int(e["id"]) for e in seen] == list(range(1, len(seen) + 1))
        assert [json.loads(e["data"])["seq"] for e in seen] == list(range(1, len(seen) + 1))
        assert seen[-1]["event"] == "finished"
        if not service.live:
            (file,) = json.loads(seen[-1]["data"])["result"]["files"]
            assert file["path"] == "\n\nid: 9\ndata: x"

    def test_events_arrive_as_they_happen(self, service: Service) -> None:
        execution = begin(service, code="print('a')\nprint(input())", interactive=True)
        url = f"{service.url}/v1/executions/{execution}/events"
        with requests.get(url, stream=True, timeout=10) as answer:
            for line in answer.iter_lines(chunk_size=1):
                if b'"stream"' in line:
                    break
        # which cannot go on before it is told what to say
        typed = {"type": "stdin", "data": "b\n"}
        controls = f"{service.url}/v1/executions/{execution}/controls"
        assert requests.post(controls, json=typed, timeout=10).status_code == 204

    def test_not_acceptable(self, service: Service) -> None:
        execution = begin(service, code="print(1)")
        answer = requests.get(
            f"{service.url}/v1/executions/{execution}/events",
            headers={"Accept": "image/png"},
            timeout=5,
        )
        assert answer.status_code == 406

    def test_a_silent_stream_has_a_heartbeat(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"heartbeat_s": 0.3})
        execution = begin(service, code="import time\ntime.sleep(3)")
        url = f"{service.url}/v1/executions/{execution}/events"
        with requests.get(
            url, headers={"Accept": "text/event-stream"}, stream=True, timeout=10
        ) as answer:
            assert any(line == b":" for line in answer.iter_lines(chunk_size=1))


def parsed(lines: Iterator[bytes]) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode().partition(": ")
        if colon:
            event[name] = value
        elif not line:
            if "data" in event:
                yield event
            event = {}


class TestPages:
    PAGE = "<!doctype html>\n<html><head><script src=a.js></script></head></html>"

    def test_a_page_and_its_files(self, service: Service) -> None:
        execution = begin(
            service,
            language="html",
            files=[
                {"path": "index.html", "content": self.PAGE},
                {"path": "a.js", "content": "console.log(1)"},
            ],
        )
        base = f"{service.url}/v1/executions/{execution}/page/"
        page = requests.get(base, timeout=5)
        assert page.status_code == 200
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith(
            "sandbox allow-scripts allow-forms allow-modals allow-downloads; default-src 'none'"
        )
        assert "allow-same-origin" not in policy
        assert page.text.startswith('<!doctype html><script data-path="index.html">')
        assert "vibecell-page" in page.text
        script = requests.get(f"{base}a.js", timeout=5)
        assert script.text == "console.log(1)"
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert script.headers["Content-Security-Policy"] == policy
        assert requests.get(f"{base}b.js", timeout=5).status_code == 404

    def test_a_page_in_a_folder(self, service: Service) -> None:
        execution = begin(
            service,
            language="html",
            files=[{"path": "a/start.html", "content": "x"}],
            entrypoint="a/start.html",
        )
        page = requests.get(f"{service.url}/v1/executions/{execution}/page/", timeout=5)
        assert page.url.endswith("/page/a/start.html")
        assert page.text.endswith("x")

    def test_another_gateway_shows_it_too(
        self, service: Service, make_service: Callable[..., Service]
    ) -> None:
        execution = begin(service, code=self.PAGE, language="html")
        other = make_service()
        page = requests.get(f"{other.url}/v1/executions/{execution}/page/", timeout=5)
        assert page.status_code == 200
        assert "vibecell-page" in page.text

    def test_a_program_is_no_page(self, service: Service) -> None:
        execution = begin(service, code="print(1)")
        page = requests.get(f"{service.url}/v1/executions/{execution}/page/", timeout=5)
        assert page.status_code == 404


class TestDocuments:
    def test_languages(self, service: Service) -> None:
        answer = requests.get(f"{service.url}/v1/languages", timeout=5).json()
        assert {"python", "html"} <= {x["name"] for x in answer["languages"]}
        assert isinstance(answer["classes"], dict)

    def test_health(self, service: Service) -> None:
        assert requests.get(f"{service.url}/healthz", timeout=5).status_code == 200
        assert requests.get(f"{service.url}/readyz", timeout=5).json() == {"status": "ready"}

    def test_openapi_and_docs(self, service: Service) -> None:
        described = requests.get(f"{service.url}/openapi.json", timeout=5).json()
        assert "/execute" in described["paths"]
        docs = requests.get(f"{service.url}/docs", timeout=5)
        assert docs.headers["Content-Type"].startswith("text/html")
        assert "unsafe" not in docs.headers["Content-Security-Policy"]
        assert "//" not in docs.text.replace("<!doctype", "")
        named = re.findall(r'(?:src|href)="\./(docs/[^"]+)"', docs.text)
        assert {name.rpartition(".")[2] for name in named} == {"js", "css", "svg"}
        for name in named:
            accepts = {"Accept-Encoding": "br"}
            answer = requests.get(f"{service.url}/{name}", headers=accepts, timeout=5, stream=True)
            with answer:
                assert answer.status_code == 200
                coded = answer.headers.get("Content-Encoding") == "br"
                assert coded == ("library" in name or "/docs-" in name)

    @pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/openapi.json", "/v1/languages"])
    def test_security_headers(self, service: Service, path: str) -> None:
        answer = requests.get(service.url + path, timeout=5)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers


class TestKeys:
    KEY = "a-key-of-the-tests-0123456789"

    def test_a_key_is_needed(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"api_keys": [self.KEY]})
        url = f"{service.url}/v1/languages"
        good = {"Authorization": f"Bearer {self.KEY}"}
        assert requests.get(url, headers=good, timeout=5).status_code == 200
        none = requests.get(url, timeout=5)
        assert none.status_code == 401
        assert none.headers["WWW-Authenticate"].lower().startswith("bearer")
        for wrong in ("Bearer x", f"Basic {self.KEY}", f"Bearer {self.KEY},Bearer {self.KEY}"):
            answer = requests.get(url, headers={"Authorization": wrong}, timeout=5)
            assert answer.status_code == 401
        assert requests.get(f"{service.url}/healthz", timeout=5).status_code == 200

    def test_two_authorization_headers_are_none(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"api_keys": [self.KEY]})
        field = f"Authorization: Bearer {self.KEY}\r\n"
        with service.connect() as client:
            client.sendall(f"GET /v1/languages HTTP/1.1\r\nHost: x\r\n{field}{field}\r\n".encode())
            assert b" 401 " in client.recv(4096)

    def test_wrong_keys_are_limited_per_address(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"api_keys": [self.KEY], "wrong_keys_per_minute": 3})
        codes = [
            requests.get(
                f"{service.url}/v1/languages",
                headers={"Authorization": "Bearer wrong", "X-Forwarded-For": f"10.0.0.{i}"},
                timeout=5,
            ).status_code
            for i in range(5)
        ]
        assert codes == [401, 401, 401, 429, 429]

    def test_another_owners_execution_does_not_exist(
        self, make_service: Callable[..., Service]
    ) -> None:
        other = self.KEY + "-other"
        service = make_service(policy={"api_keys": [self.KEY, other]})
        url = f"{service.url}/v1/executions"
        mine, theirs = ({"Authorization": f"Bearer {k}"} for k in (self.KEY, other))
        execution = requests.post(url, json={"code": "print(1)"}, headers=mine, timeout=5).json()
        path = f"{url}/{execution['id']}"
        assert requests.get(path, headers=mine, timeout=5).status_code == 200
        for answer in (
            requests.get(path, headers=theirs, timeout=5),
            requests.get(f"{path}/events", headers=theirs, timeout=5),
            requests.delete(path, headers=theirs, timeout=5),
        ):
            assert answer.status_code == 404


class TestQuota:
    def test_rate(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"begun_per_minute": 2})
        answers = [
            requests.post(f"{service.url}/execute", json={"code": "print(1)"}, timeout=5)
            for _ in range(3)
        ]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert int(answers[2].headers["Retry-After"]) >= 1

    def test_concurrency(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"concurrent": 1})
        execution = begin(service, code="import time\ntime.sleep(9)")
        one = f"{service.url}/v1/executions/{execution}"
        url = f"{one}/events"
        with requests.get(url, stream=True, timeout=5) as stream:
            assert stream.status_code == 200
            second = requests.get(url, timeout=5)
            assert second.status_code == 429
            assert second.headers["Retry-After"] == "1"
        requests.delete(one, timeout=30)  # so that the gateway has nobody to wait for at its end


class TestServer:
    def test_keep_alive_is_quick(self, service: Service) -> None:
        with requests.Session() as session:

            def usual_s() -> float:
                took_s = []
                for _ in range(21):
                    began = time.monotonic()
                    session.get(f"{service.url}/healthz", timeout=30)
                    took_s.append(time.monotonic() - began)
                return sorted(took_s)[10]

            # without TCP_NODELAY each is 40 ms however often one tries; busy a machine is at times
            assert any(usual_s() < 0.035 for _ in range(20))

    def test_a_foreign_host_name_is_refused(self, service: Service) -> None:
        answer = requests.get(
            f"{service.url}/healthz", headers={"Host": "rebound.example"}, timeout=5
        )
        assert answer.status_code == (200 if service.live else 421)

    @pytest.mark.parametrize(
        ("url", "header", "status"),
        [
            ("http://localhost/healthz", "localhost", 200),
            ("http://localhost:81/healthz?x", "rebound.example", 200),
            ("HTTPS://127.0.0.1/healthz", "", 200),
            ("http://rebound.example/healthz", "localhost", 421),
            ("http://localhost@rebound.example/healthz", "localhost", 400),
            ("http:///healthz", "localhost", 400),
        ],
    )
    def test_a_whole_url_is_asked_for_as_a_proxy_is(
        self, service: Service, url: str, header: str, status: int
    ) -> None:
        with service.connect() as client:
            client.sendall(f"GET {url} HTTP/1.1\r\nHost: {header}\r\n\r\n".encode())
            said = client.recv(65536)
        wanted = (status, 200) if service.live else (status,)
        assert said.startswith(tuple(f"HTTP/1.1 {each} ".encode() for each in wanted))

    def test_stops_within_its_deadline_while_a_stream_goes_on(
        self, make_service: Callable[..., Service]
    ) -> None:
        service = make_service()
        execution = begin(service, code="import time\ntime.sleep(30)")
        url = f"{service.url}/v1/executions/{execution}/events"
        with requests.get(url, stream=True, timeout=10):
            assert service.gateway is not None
            service.gateway.terminate()
            assert service.gateway.wait(GATEWAY_KILL_S) == 0
        with pytest.raises(OSError):
            socket.create_connection((service.host, service.port), 1)
