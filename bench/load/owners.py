"""The service with several owners, each with a key.

Owns how keys are made; refuses one key for two owners.
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bench.case import Bench, BenchFailed
from bench.load.doors import Visitor
from bench.vibecell_service import VibecellContender, running

# Every limit a key can have, so wide that none refuses.
WIDE = (
    *("--rate", "100000/minute", "--concurrent", "1000", "--streams", "1000"),
    *("--cpu-per-day", "1000000s", "--output-per-day", "1TiB"),
)
_MADE_AT_ONCE = 4
_HONOURED_S = 2.0  # after the last was made; a second is promised
_FIRST_SOURCE = 2  # 127.0.0.1 is left to whoever only looks


@dataclass(frozen=True, slots=True)
class Owned:
    """A service, and who uses it.

    Attributes:
        keys: of each owner, by name.
    """

    service: VibecellContender
    keys: dict[str, str]

    def visitor(self, owner: str) -> Visitor:
        """A client of an owner's; all of one owner come from one address."""
        source = _FIRST_SOURCE + list(self.keys).index(owner)
        return Visitor(self.service.address, f"127.0.0.{source}", self.keys[owner])

    def fields(self) -> tuple[Mapping[str, str], ...]:
        """Header fields of each owner."""
        return tuple(self.visitor(owner).fields for owner in self.keys)

    def languages(self) -> list[str]:
        """Those it has, by name."""
        host, port = self.service.address
        fields = self.visitor(next(iter(self.keys))).fields
        asked = urllib.request.Request(f"http://{host}:{port}/v1/languages", headers=fields)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return [str(language["name"]) for language in json.load(answer)["languages"]]


@contextlib.contextmanager
def served_to(bench: Bench, owners: Sequence[str], **settings: str) -> Iterator[Owned]:
    """A service of one's own, with a key for each owner, and one for who reads its metrics.

    Args:
        settings: as ``running`` has them.

    Raises:
        BenchFailed: it does not start, or a key that was made is not honoured.
    """
    with running(bench, **settings) as service:
        made = service.command(
            bench.interpreter, "keys", "create", "operator", "--json", "--scopes", "metrics"
        )
        fields = {"Authorization": f"Bearer {json.loads(made)['key']}"}
        watched = replace(service, metrics_headers=fields)
        yield Owned(watched, _made_keys(bench, watched, owners))


def _made_keys(bench: Bench, service: VibecellContender, owners: Sequence[str]) -> dict[str, str]:
    """A key for each, as an operator makes them while the service runs."""

    def make(owner: str) -> str:
        words = ("keys", "create", owner, "--json", *WIDE)
        return str(json.loads(service.command(bench.interpreter, *words))["key"])

    with ThreadPoolExecutor(_MADE_AT_ONCE) as pool:
        keys = dict(zip(owners, pool.map(make, owners), strict=True))
    end_s = time.monotonic() + _HONOURED_S
    for owner in owners:
        while not _is_honoured(service.address, keys[owner]):
            if time.monotonic() > end_s:
                raise BenchFailed(f"the key of {owner} is not honoured")
            time.sleep(0.1)
    return keys


def _is_honoured(address: tuple[str, int], key: str) -> bool:
    host, port = address
    fields = {"Authorization": f"Bearer {key}"}
    asked = urllib.request.Request(f"http://{host}:{port}/v1/languages", headers=fields)
    try:
        with urllib.request.urlopen(asked, timeout=20):
            return True
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
