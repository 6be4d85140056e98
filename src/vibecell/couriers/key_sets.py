"""The keys of identity providers.

Owns how long they are kept and when they are fetched again, and that only public keys for
signatures are handed on: a symmetric one would let whoever reads it sign. Refuses to verify
anything by them: that is the gateway's.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from vibecell.couriers.fetching import FetchFailed, fetch
from vibecell.model.identity_provider import IdentityProvider
from vibecell.wire.courier_link import MAX_KEY_SET_BYTES

#: Within it a set is handed on as it is; a provider that rotates announces a key before it uses it.
FRESH_S = 900.0
#: For so long a set goes on being used while it cannot be fetched again.
STALE_S = 4 * 3600.0
#: Between two fetches from one provider, however many tokens name keys that nobody knows.
PAUSE_S = 60.0
MAX_KEYS = 64
_KINDS = frozenset({"RSA", "EC", "OKP"})
#: What a public key has. Source: RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2
_MEMBERS = frozenset({"kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"})

Fetch = Callable[[str, int], Awaitable[bytes]]


@dataclass
class _Kept:
    document: bytes | None = None
    fetched_at_s: float = float("-inf")
    tried_at_s: float = float("-inf")
    reason: str = "it was not fetched yet"
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """The key sets of a deployment's providers.

    Args:
        providers: by their names in the settings; no other is asked for anything.
        fetched: a body of an address, of at most so many bytes; raises ``FetchFailed``.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        providers: Mapping[str, IdentityProvider],
        fetched: Fetch = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = providers
        self._fetched = fetched
        self._clock = clock
        self._kept = {name: _Kept() for name in providers}

    async def document(self, provider: str, anew: bool) -> bytes:
        """The set of one provider; ``anew``: one that was just told lacks a key.

        Raises:
            FetchFailed: there is none, or none that is young enough.
        """
        kept = self._kept.get(provider)
        if kept is None:
            raise FetchFailed("no such provider")
        async with kept.fetching:  # who comes meanwhile has the same
            await self._renew(provider, kept, anew)
        if kept.document is None or self._clock() - kept.fetched_at_s > STALE_S:
            raise FetchFailed(kept.reason)
        return kept.document

    async def _renew(self, provider: str, kept: _Kept, anew: bool) -> None:
        now_s = self._clock()
        wanted = anew or now_s - kept.fetched_at_s > FRESH_S
        if not wanted or now_s - kept.tried_at_s < PAUSE_S:
            return
        kept.tried_at_s = now_s
        try:
            body = await self._fetched(self._providers[provider].jwks_url, MAX_KEY_SET_BYTES)
            kept.document = public_keys(body)
        except FetchFailed as error:
            kept.reason = str(error)
        else:
            kept.fetched_at_s = self._clock()


def public_keys(body: bytes) -> bytes:
    """A key set with what is public of the keys that can verify, and nothing else.

    Raises:
        FetchFailed: it is no key set, or has no such key.
    """
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchFailed("it is no JSON") from None
    keys = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(keys, list):
        raise FetchFailed("it is no key set")
    found = [
        {name: value for name, value in key.items() if name in _MEMBERS and isinstance(value, str)}
        for key in keys[:MAX_KEYS]
        if isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig"
    ]
    if not found:
        raise FetchFailed("it has no public key for signatures")
    return json.dumps({"keys": found}, separators=(",", ":")).encode()
