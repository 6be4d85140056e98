"""The service with several owners, each with a key.

Owns how keys are made; refuses one key for two owners.
"""

import contextlib
import json
import secrets
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.case import Bench
from bench.load.doors import Visitor
from bench.vibecell_service import VibecellContender, running

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
    """A service of one's own, with a key for each owner.

    Args:
        settings: as ``running`` has them.

    Raises:
        BenchFailed: it does not start.
    """
    keys = {owner: f"{owner}-{secrets.token_hex(16)}" for owner in owners}
    with running(bench, api_keys=",".join(keys.values()), **settings) as service:
        yield Owned(service, keys)
