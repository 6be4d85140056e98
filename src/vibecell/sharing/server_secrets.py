"""What keys are hashed by and tokens signed with.

Owns the server's secrets in memory and what is derived from each; refuses to say one, to anybody.
There may be several: the first is used, the others still verify what was made with them. So one
follows another without a moment in which a key is unknown.

Source: RFC 2104 (HMAC); RFC 5869 section 3.2 for one secret used under several labels.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from vibecell.config.settings import (
    MAX_SERVER_SECRETS,
    MIN_SERVER_SECRET_CHARACTERS,
    is_server_secret,
)
from vibecell.model.errors import PlatformError
from vibecell.sharing.keys import HashedSecret

#: What was signed lives for a day at most, so the one before the first is enough for it.
_SIGNING = 2
_HASHING_LABEL = b"vibecell: hash of a key"
_SIGNING_LABEL = b"vibecell: signature of a token"
_NAMING_LABEL = b"vibecell: name of a secret"


def new_server_secret() -> str:
    """One of 256 bits, as text."""
    return secrets.token_hex(32)


class ServerSecrets:
    """The secrets of one server, the one in use first.

    Attributes:
        names: of each, which tell nothing of it.
        signing: derived from the newest ones for tokens alone; the first signs, all verify.

    Raises:
        PlatformError: there is none, too many, or one too short.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        given = tuple(dict.fromkeys(texts))
        if not 0 < len(given) <= MAX_SERVER_SECRETS:
            rule = f"there are {len(given)}, and must be 1 to {MAX_SERVER_SECRETS}"
            raise PlatformError("read the server's secrets", rule)
        if not all(map(is_server_secret, given)):
            rule = f"each must have {MIN_SERVER_SECRET_CHARACTERS} printable characters, no blank"
            raise PlatformError("read the server's secrets", rule)
        self.names = tuple(_derived(text, _NAMING_LABEL).hex()[:16] for text in given)
        self.signing = tuple(_derived(text, _SIGNING_LABEL) for text in given[:_SIGNING])
        self._hashing = tuple(_derived(text, _HASHING_LABEL) for text in given)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerSecrets) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def hashed(self, key_text: str) -> HashedSecret:
        """What is to be kept of a key's text, under the first."""
        return HashedSecret(_hmac(self._hashing[0], key_text), self.names[0])

    def matching(self, key_text: str, hashes: Iterable[HashedSecret]) -> HashedSecret | None:
        """Which of the hashes is that text's.

        The text is hashed under every secret and each is compared in constant time, whether or
        not there is any to compare with.
        """
        made = {
            name: _hmac(secret, key_text)
            for name, secret in zip(self.names, self._hashing, strict=True)
        }
        found = None
        for kept in (*hashes, _NOBODY):
            ours = made.get(kept.hashed_by, _NOBODY.digest)
            if hmac.compare_digest(ours, kept.digest) and kept.hashed_by in made:
                found = kept
        return found


_NOBODY = HashedSecret(bytes(32), "")


def _derived(text: str, label: bytes) -> bytes:
    return hmac.digest(text.encode(), label, "sha256")


def _hmac(secret: bytes, text: str) -> bytes:
    return hmac.digest(secret, text.encode("utf-8", "replace"), hashlib.sha256)
