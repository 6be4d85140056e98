"""What a key is, its text, and what is kept of it.

Owns the form ``vc_<id>_<secret>`` and the record of a key. Refuses to keep a secret: a record has
its hash, under a secret of the server's (``server_secrets.py``), so who reads a store cannot
come with what he read, nor try whether a guess is right.

A secret has 256 bits of chance, so one hash of it is enough: nobody tries so many.
"""

import re
import secrets
import string
from dataclasses import dataclass

from vibecell.model.caller import DEFAULT_SCOPES, NO_BOUNDS, Grant, Scope, Weight
from vibecell.model.names import KeyId

PREFIX = "vc"
SECRET_BITS = 256
#: What is said of a record that ``is_damaged``.
DAMAGED = "its record has a time that is none"
_ID_CHARACTERS = 12
_LAST_MOMENT_S = 253_402_300_799  # 9999-12-31T23:59:59Z
_ID_ALPHABET = string.ascii_lowercase + string.digits
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_CHARACTERS = 43  # 62**43 > 2**256
_TEXT = re.compile(
    rf"{PREFIX}_([a-z0-9]{{{_ID_CHARACTERS}}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS}}}\Z"
)


@dataclass(frozen=True, slots=True)
class Key:
    """What a platform shows to be served.

    Attributes:
        id: names it in lists and logs; no secret.
        name: as its maker calls it.
        scopes: what may be asked for with it.
        grant: how much all who come by it may have together.
        weight: of it among keys, where places are scarce.
        origins: of pages, beside the deployment's, that may ask with it.
        created_at: in seconds since 1970, as the following.
        expires_at: from when on it is none; ``None``: never.
        revoked_at: since when it is none; ``None``: it was not revoked.
    """

    id: KeyId
    name: str
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    grant: Grant = NO_BOUNDS
    weight: Weight = 1.0
    origins: tuple[str, ...] = ()
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None

    def has_expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class HashedSecret:
    """What is kept of a key's text.

    Attributes:
        digest: HMAC-SHA-256 of the whole text.
        hashed_by: name of the server's secret that it was made with.
        valid_until: the end of its grace, where another has followed; ``None``: the present one.
    """

    digest: bytes
    hashed_by: str
    valid_until: float | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a store keeps of one key.

    Attributes:
        key: what it is.
        hashes: of its texts, the present one's first.
        last_used_at: about when somebody last came with it; ``None``: nobody did.
    """

    key: Key
    hashes: tuple[HashedSecret, ...]
    last_used_at: float | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether it has a time that none of ours ever was: its key is none."""
        key = self.key
        times = (key.created_at, key.expires_at, key.revoked_at, self.last_used_at)
        graces = (kept.valid_until for kept in self.hashes)
        return not all(at is None or is_moment(at) for at in (*times, *graces))


def is_moment(seconds: float) -> bool:
    """Whether a time since 1970 is one that a date can name. Source: RFC 3339 section 1."""
    return 0 <= seconds <= _LAST_MOMENT_S


def new_key_id() -> str:
    """An id that no other key has."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))


def new_key_text(key_id: str) -> str:
    """The text of a key, with a secret of its own; it is nowhere else."""
    number, characters = secrets.randbits(SECRET_BITS), []
    for _ in range(_SECRET_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return f"{PREFIX}_{key_id}_{''.join(characters)}"


def id_in(presented: str) -> str | None:
    """The id of the key that a text claims to be; ``None`` where it has not the form."""
    match = _TEXT.match(presented)
    return match[1] if match else None
