"""Many programs at once: each gets its own answer, and too many are told so."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from host import lacking

from .crashes_service import LiveService, processes, serving, until

COUNT = 100
SLEEP = "import ctypes, time\nctypes.CDLL(None).prctl(15, b'{mark}', 0, 0, 0)\ntime.sleep({s})\n"


@pytest.fixture(scope="module")
def live(prepared: object) -> Iterator[LiveService]:
    with serving(uid_base=1_958_000_000) as service:
        yield service


@pytest.fixture(scope="module")
def narrow(prepared: object) -> Iterator[LiveService]:
    """One place to run in and two to wait in."""
    with serving(uid_base=1_960_000_000, max_concurrent="1", queue_size="2") as service:
        yield service


def _kinds(i: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request and what must be in its answer."""
    told = f"{i}-{i * i}"
    kinds: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"code": f"print('{told}')"}, {"verdict": "accepted", "output": f"{told}\n"}),
        (
            {"code": f"console.log('{told}')", "language": "javascript"},
            {"verdict": "accepted", "output": f"{told}\n"},
        ),
        (
            {"code": f"echo {told}; exit {i % 100 + 1}", "language": "bash"},
            {"verdict": "runtime_error", "output": f"{told}\n", "exit_code": i % 100 + 1},
        ),
        (
            {"code": "print(input())", "stdin": told, "expected_output": "another"},
            {"verdict": "wrong_answer", "output": f"{told}\n"},
        ),
        (
            {
                "code": f"print('{told}', flush=True)\nwhile True: pass",
                "limits": {"wall_time_ms": 300},
            },
            {"verdict": "time_limit_exceeded", "output": f"{told}\n"},
        ),
        (
            {"code": "while True: print('x' * 99)", "limits": {"output_bytes": 1000 + i}},
            {"verdict": "output_limit_exceeded", "truncated": True},
        ),
        (
            {"code": f"import os, sys\nprint('{told}', file=sys.stderr)\nos.kill(os.getpid(), 11)"},
            {"verdict": "runtime_error", "signal": "SIGSEGV", "output": ""},
        ),
        (
            {
                "files": [
                    {"path": "main.py", "content": "import part"},
                    {"path": "part.py", "content": f"print('{told}')"},
                ]
            },
            {"verdict": "accepted", "output": f"{told}\n"},
        ),
    ]
    return kinds[i % len(kinds)]


def test_a_hundred_at_once_are_all_answered_right(live: LiveService) -> None:
    wanted = [_kinds(i) for i in range(COUNT)]
    with ThreadPoolExecutor(COUNT) as pool:
        answers = list(pool.map(lambda pair: live.run(**pair[0]), wanted))
    for (request, expected), answer in zip(wanted, answers, strict=True):
        found = {name: answer.get(name) for name in expected}
        assert (answer["status"], found) == (200, expected), (request, answer)
        if expected["verdict"] == "output_limit_exceeded":
            assert len(answer["output"]) == request["limits"]["output_bytes"]
    assert len({answer["id"] for answer in answers}) == COUNT


def test_a_full_queue_is_told_at_once_and_loses_nobody(narrow: LiveService) -> None:
    def ask(_: int) -> tuple[int, str, float]:
        began_s = time.monotonic()
        answer = requests.post(
            f"{narrow.url}/execute", json={"code": "import time; time.sleep(2)"}, timeout=60
        )
        took_s = time.monotonic() - began_s
        if answer.status_code == requests.codes.service_unavailable:
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert answer.json()["status"] == answer.status_code
        return answer.status_code, answer.headers.get("Retry-After", ""), took_s

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    assert Counter(status for status, _, _ in answers) == {200: 3, 503: 9}
    first_served_s = min(took_s for status, _, took_s in answers if status == requests.codes.ok)
    for status, retry_after, took_s in answers:
        if status == requests.codes.service_unavailable:
            assert 1 <= int(retry_after) <= 60
            assert took_s < first_served_s, "a refusal must not wait for its turn"
    assert narrow.run("print('next')")["output"] == "next\n"


def test_concurrent_cells_have_different_host_uids(live: LiveService) -> None:
    if os.geteuid() != 0:
        lacking("root, to give each cell a uid of its own")
    marks = [f"mark-uid-{i}" for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(live.run, SLEEP.format(mark=mark, s=2)) for mark in marks]
        uids = [live.marked(mark).uid for mark in marks]
        assert all(a.result()["verdict"] == "accepted" for a in answers)
    assert len(set(uids)) == 4
    assert all(uid >= live.uid_base for uid in uids), "none is root, or anybody's"


def test_waiting_cells_have_different_host_uids_too(live: LiveService) -> None:
    if os.geteuid() != 0:
        lacking("root, to give each cell a uid of its own")
    until(lambda: len(live.agents()) >= 8)
    seen = processes()
    runners = [p for agent in live.agents() for p in seen.values() if p.parent == agent]
    assert len(runners) >= 8
    assert len({p.uid for p in runners}) == len(runners)
    assert 0 not in {p.uid for p in runners}


def test_a_program_cannot_see_its_neighbour(live: LiveService) -> None:
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(live.run, SLEEP.format(mark="mark-next-door", s=2))
        live.marked("mark-next-door")
        code = (
            "import os\nfor p in os.listdir('/proc'):\n"
            "    if p.isdigit(): print(open(f'/proc/{p}/comm').read().strip())"
        )
        seen = live.run(code)["output"]
        assert other.result()["verdict"] == "accepted"
    assert "mark-next-door" not in seen
