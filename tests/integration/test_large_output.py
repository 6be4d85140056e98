"""A program that prints more than the engine holds in memory, read by who comes late."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .crashes_service import LiveService, serving

LINES = 6 * 1024
CODE = f"for i in range({LINES}): print(f'{{i:05}}' + 'x' * 1018)"
PRINTED = "".join(f"{i:05}{'x' * 1018}\n" for i in range(LINES)).encode()


@pytest.fixture(scope="module")
def live(prepared: object) -> Iterator[LiveService]:
    with serving(uid_base=1_966_000_000) as service:
        yield service
        assert service.stop() == 0


def events(live: LiveService, execution: str, after: int) -> list[dict[str, Any]]:
    answer = requests.get(
        f"{live.url}/v1/executions/{execution}/events",
        headers={"Accept": "application/x-ndjson"},
        params={"after": after},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    found = [json.loads(line) for line in answer.text.splitlines() if line]
    return [event for event in found if "seq" in event]


def printed(found: list[dict[str, Any]]) -> str:
    """The checksum of it all, which reads better than megabytes."""
    pieces = [e["data"].encode() for e in found if e["type"] == "stream"]
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def test_everything_is_read_again_from_any_event(live: LiveService) -> None:
    body = {"code": CODE, "language": "python", "limits": {"output_bytes": 16 * 1024 * 1024}}
    asked = requests.post(f"{live.url}/v1/executions", json=body, timeout=10)
    execution = asked.json()["id"]
    early = events(live, execution, 0)
    late = events(live, execution, 0)
    assert late == early
    assert [e["seq"] for e in late] == list(range(1, len(late) + 1))
    assert late[-1]["result"]["verdict"] == "accepted"
    assert printed(late) == hashlib.sha256(PRINTED).hexdigest()
    for after in (1, len(late) // 3, len(late) - 2):
        assert events(live, execution, after) == late[after:]


def test_who_comes_in_the_middle_misses_nothing(live: LiveService) -> None:
    code = f"import time\n{CODE}\ntime.sleep(1)\n{CODE}"
    body = {"code": code, "language": "python", "limits": {"output_bytes": 16 * 1024 * 1024}}
    asked = requests.post(f"{live.url}/v1/executions", json=body, timeout=10)
    time.sleep(0.6)
    found = events(live, asked.json()["id"], 0)
    assert [e["seq"] for e in found] == list(range(1, len(found) + 1))
    assert printed(found) == hashlib.sha256(PRINTED + PRINTED).hexdigest()
