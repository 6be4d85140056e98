"""How long each part of an end may take: every deadline lies within the one around it."""

import ast
import re
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from vibecell.cli import children
from vibecell.config import Settings
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.transports.websocket import WebSocketLimits
from vibecell.model import stopping
from vibecell.sandbox import bounds

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "vibecell"
LIST = SOURCES / "model" / "stopping.py"
# From the innermost to the outermost: each is over before the next one is.
CHAINS = {
    "a program": "END_GRACE_S KILL_TIMEOUT_S EXECUTIONS_STOP_S ENGINE_STOP_S",
    "a wall": "LEAVE_GRACE_S DEATH_DEADLINE_S WALLS_STOP_S BACKEND_STOP_S ENGINE_STOP_S",
    "containers": "CONTAINERS_STOP_S BACKEND_STOP_S",
    "a WebSocket": "CLOSING_HANDSHAKE_S FAREWELL_STOP_S ANSWERS_STOP_S GATEWAY_STOP_S",
    "an answer": "EXECUTIONS_STOP_S ANSWERS_STOP_S GATEWAY_STOP_S GATEWAY_KILL_S SERVICE_STOP_S",
    "keys": "KEYS_STOP_S MARGIN_S GATEWAY_STOP_S",
    "a child": "GATEWAY_STOP_S GATEWAY_KILL_S ENGINE_STOP_S ENGINE_KILL_S SERVICE_STOP_S",
}


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_within_is_over_before_what_is_around_it(chain: str) -> None:
    lengths = {name: getattr(stopping, name) for name in CHAINS[chain].split()}
    for (inner, inner_s), (outer, outer_s) in pairwise(lengths.items()):
        assert inner_s < outer_s, f"{inner} is not reached within {outer}"


def test_what_follows_on_another_has_the_time_for_both() -> None:
    """An engine goes through its parts one after the other."""
    results_s = stopping.EXECUTIONS_STOP_S + stopping.CUT_OFF_S + stopping.LINKS_STOP_S
    assert results_s < stopping.ANSWERS_STOP_S, "what the engine tells last is passed on"
    assert results_s + stopping.BACKEND_STOP_S <= stopping.ENGINE_STOP_S
    assert stopping.LEAVE_GRACE_S + stopping.DEATH_DEADLINE_S < stopping.WALLS_STOP_S
    assert stopping.WALLS_STOP_S + stopping.CONTAINERS_STOP_S <= stopping.BACKEND_STOP_S
    assert stopping.ANSWERS_STOP_S + stopping.CUT_STOP_S <= stopping.GATEWAY_STOP_S
    assert stopping.ENGINE_KILL_S + stopping.DEATH_DEADLINE_S < stopping.SERVICE_STOP_S


def _names(source: str) -> set[str]:
    tree = ast.walk(ast.parse(source))
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in tree
        if isinstance(node, ast.Attribute)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    }


def test_every_deadline_of_the_list_is_one_that_somebody_keeps() -> None:
    """Or is a part of such a one; the whole service's is kept by what starts it."""
    text = LIST.read_text()
    listed = {name for name in vars(stopping) if name.isupper()}
    used = _names(text)
    for path in SOURCES.rglob("*.py"):
        if path != LIST:
            used |= _names(path.read_text())
    assert listed - used == {"SERVICE_STOP_S"}


def test_who_keeps_a_deadline_has_it_from_the_list() -> None:
    assert ServerLimits().stop_s == stopping.GATEWAY_STOP_S
    assert WebSocketLimits().close_s == stopping.CLOSING_HANDSHAKE_S
    assert bounds.END_GRACE_S == stopping.END_GRACE_S
    assert bounds.DESTROY_DEADLINE_S == stopping.DEATH_DEADLINE_S + stopping.EMPTY_DEADLINE_S
    assert children.engine(Settings()).stop_s == stopping.ENGINE_KILL_S
    with socket.socket() as listener:
        assert children.gateway(Settings(), listener).stop_s == stopping.GATEWAY_KILL_S


def _seconds(text: str) -> float:
    """A span of time as systemd and Compose write it: ``30``, ``30s``, ``1min 30s``, ``1m30s``.

    Source: systemd.time(7); Compose specification, "Specifying durations"
    """
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", text.strip())
    assert parts, f"{text!r} is no span of time"
    units = {"": 1, "s": 1, "sec": 1, "ms": 0.001, "m": 60, "min": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in parts)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("1min 30s", 90), ("1m30s", 90), ("500ms", 0.5)]
)
def test_spans_of_time_are_read(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds


def _patience(text: str) -> list[float]:
    """How long whoever starts the service waits, in each place of a file that says so."""
    wanted = r"^\s*(?:TimeoutStopSec|TimeoutSec)=(.+)$|^\s*stop_grace_period:\s*['\"]?([^'\"\s#]+)"
    found = re.findall(wanted, text, re.MULTILINE)
    found += re.findall(r"(--stop-timeout|terminationGracePeriodSeconds:)[ =]*(\d+)", text)
    return [_seconds(one if one[:1].isdigit() else other) for one, other in found]


def test_whoever_starts_the_service_has_the_patience_for_its_stop() -> None:
    """Units, compose files and commands of ``deploy`` and of the documents."""
    files = [p for p in (ROOT / "deploy").rglob("*") if p.is_file()]
    files += [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    said = {path.relative_to(ROOT): _patience(path.read_text()) for path in files}
    for path, spans in said.items():
        assert all(span > stopping.SERVICE_STOP_S for span in spans), f"{path} waits {spans} s"
    for path in files:
        if path.suffix == ".service":
            text = path.read_text()
            assert said[path.relative_to(ROOT)], f"{path.name} waits as long as the system likes"
            # the supervisor ends its own: a signal to all of them would be another one
            assert "\nKillMode=mixed\n" in text, path.name
    compose = [p for p in files if "compose" in p.name and p.suffix in (".yml", ".yaml")]
    for path in compose:
        assert said[path.relative_to(ROOT)], f"{path.name}: ten seconds are too few"


def test_the_documents_tell_the_deadlines_as_they_are() -> None:
    for path in (ROOT / "ARCHITECTURE.md", ROOT / "deploy" / "systemd" / "README.md"):
        text = path.read_text()
        for length_s in (stopping.GATEWAY_KILL_S, stopping.ENGINE_KILL_S, stopping.SERVICE_STOP_S):
            assert f"{length_s:g} s" in text, f"{path.name} does not say {length_s:g} s"
