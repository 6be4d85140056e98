"""People at prompts do not hold up others, with real cells."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from host import lacking

from .crashes_service import LiveService, serving

ASKING = "name = input()\nprint('hello', name)"
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def single(prepared: object) -> Iterator[LiveService]:
    """One place to run in, and more to wait for input without one."""
    if os.geteuid() != 0:
        lacking("root, to have cgroups")
    with serving(uid_base=1_962_000_000, max_concurrent="1", max_parked="4") as service:
        yield service


def submitted(service: LiveService, code: str, interactive: object) -> str:
    body = {"code": code, "interactive": interactive, "on_disconnect": "continue"}
    answer = requests.post(f"{service.url}/v1/executions", json=body, timeout=10)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def typed(service: LiveService, name: str, data: str) -> None:
    url = f"{service.url}/v1/executions/{name}/controls"
    answer = requests.post(url, json={"type": "stdin", "data": data}, timeout=10)
    assert answer.status_code == 204, answer.text


def state(service: LiveService, name: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{service.url}/v1/executions/{name}", timeout=10).json()
    return found


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@pytest.mark.parametrize("interactive", [True, "pipe"])
def test_a_program_at_a_prompt_does_not_block_another(
    single: LiveService, interactive: object
) -> None:
    asking = submitted(single, ASKING, interactive)
    until(lambda: state(single, asking)["state"] == "running")
    assert single.run("print('next')")["output"] == "next\n"
    assert state(single, asking)["state"] == "running", "it waited for the limit of ten seconds"
    typed(single, asking, "you\n")
    until(lambda: state(single, asking)["state"] == "finished")
    assert "hello you" in state(single, asking)["result"]["output"].replace("\r", "")


def test_who_computes_keeps_his_place_though_he_prints_nothing(single: LiveService) -> None:
    code = "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
    computing = submitted(single, code, "pipe")
    until(lambda: state(single, computing)["state"] == "running")
    assert single.run("print('next')")["output"] == "next\n"
    assert state(single, computing)["state"] == "finished"
