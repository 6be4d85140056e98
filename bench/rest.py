"""What the engine counts, and waiting until a service has come to rest.

Owns reading ``/metrics`` and what rest is; refuses to wait for ever.
"""

import re
import time
import urllib.request
from collections.abc import Mapping

from bench.case import BenchFailed
from bench.contender import Contender

REST_DEADLINE_S = 60.0
_POLL_S = 0.05
_GATEWAY = re.compile(r"^(vibecell_websockets|vibecell_open_requests) (\S+)$", re.MULTILINE)
_COUNT = re.compile(
    r"^vibecell_(executions_running|queue_depth|executions_parked|executions_kept"
    r"|executions_begun_total) (\S+)$",
    re.MULTILINE,
)
_NAMES = {
    "executions_running": "running",
    "queue_depth": "queued",
    "executions_parked": "parked",
    "executions_kept": "kept",
    "executions_begun_total": "begun",
}
_CELLS = re.compile(
    r'^vibecell_pool_(cells|target_cells|waiting)\{place="([^"]+)",profile="([^"]+)"'
    r'(?:,state="([^"]+)")?\} (\S+)$',
    re.MULTILINE,
)
_DEFAULT_PLACE = "(default)"
# of a profile, in the default place or in another; the last part of a count is left off
_POOL = re.compile(r"(?:[a-z0-9-]+\.)?pool\.[^.]+")


def counts(service: Contender) -> dict[str, int]:
    """The engine's counts, as ``/metrics`` has them."""
    return counts_in(metrics(service))


def metrics(service: Contender) -> str:
    """The text of ``/metrics``."""
    host, port = service.address
    url, fields = f"http://{host}:{port}/metrics", dict(service.metrics_headers)
    with urllib.request.urlopen(urllib.request.Request(url, headers=fields), timeout=10) as answer:
        return str(answer.read().decode())


def counts_in(text: str) -> dict[str, int]:
    """The engine's counts, by name, in the text of ``/metrics``.

    Those of a pool are ``pool.PROFILE.WHAT``; of another place than the default one
    ``PLACE.pool.PROFILE.WHAT``.
    """
    found = {_NAMES[name]: int(float(value)) for name, value in _COUNT.findall(text)}
    for family, place, profile, state, value in _CELLS.findall(text):
        what = state or family.removesuffix("_cells")
        before = "" if place == _DEFAULT_PLACE else f"{place}."
        found[f"{before}pool.{profile}.{what}"] = int(float(value))
    return found


def is_at_rest(found: Mapping[str, int], in_use: int = 0) -> bool:
    """Whether every pool is full and nothing is being made, taken down or waited for.

    Args:
        found: the engine's counts.
        in_use: cells whose programs run on.
    """
    pools: dict[str, dict[str, int]] = {}
    for name, value in found.items():
        pool, _, what = name.rpartition(".")
        if _POOL.fullmatch(pool):
            pools.setdefault(pool, {})[what] = value
    busy = ("making", "waiting", "ending")
    return (
        bool(pools)
        and all(pool["ready"] >= pool["target"] for pool in pools.values())
        and not any(pool.get(what) for pool in pools.values() for what in busy)
        and sum(pool["in_use"] for pool in pools.values()) <= in_use
    )


def until_rest(service: Contender, in_use: int = 0) -> float:
    """Wait until the service is at rest; how long it took, in seconds.

    Args:
        service: a Vibecell.
        in_use: as ``is_at_rest`` has it.

    Raises:
        BenchFailed: it is not, in time.
    """
    began_s = time.monotonic()
    while not is_at_rest(found := counts(service), in_use):
        if time.monotonic() - began_s > REST_DEADLINE_S:
            raise BenchFailed(f"{service.name} does not come to rest: {found}")
        time.sleep(_POLL_S)
    return time.monotonic() - began_s


def until_forgotten(service: Contender) -> None:
    """Wait until nothing is kept of executions any more, for which time must have passed.

    Raises:
        BenchFailed: something is, after a while.
    """
    end_s = time.monotonic() + REST_DEADLINE_S
    while kept := counts(service)["kept"]:
        if time.monotonic() > end_s:
            raise BenchFailed(f"{kept} executions are kept")
        time.sleep(_POLL_S)


def still_open(service: Contender, patience_s: float) -> dict[str, int]:
    """What runs, waits or is open in a service that everybody has left; empty: nothing.

    Args:
        patience_s: how long it may take to notice that, and to end what it began for them.
    """
    end_s = time.monotonic() + patience_s
    while (found := open_in(metrics(service))) and time.monotonic() < end_s:
        time.sleep(_POLL_S)
    return found


def open_in(text: str) -> dict[str, int]:
    """What there is that has a beginning and an end, in the text of ``/metrics``."""
    counted = counts_in(text)
    found = {name: counted.get(name, 0) for name in ("running", "queued", "parked")}
    found |= {name: value for name, value in counted.items() if name.endswith(".in_use")}
    found |= {name: int(float(value)) for name, value in _GATEWAY.findall(text)}
    return {name: value for name, value in found.items() if value}
