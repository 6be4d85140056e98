"""Tokens: what a platform hands to its user's browser.

Owns minting and reading them. One is a JWT, signed by a secret of the server's for that purpose
alone; it says whose it is and of which key, and nothing of it is kept. It dies with its
key, which is looked up at every use. Refuses an algorithm that the token names itself, claims
that are missing or unknown, and whoever derives from a token. A JWT of an identity provider
is told by its issuer, before any of this (``provider_tokens.py``).

Source: RFC 7519, RFC 8725 (best current practices).
"""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import jwt
import msgspec
from msgspec import Meta

from vibecell.gateway.identity.narrowing import Derived
from vibecell.model.caller import DEFAULT_SCOPES, Caller, Grant, Rate, Scope, User
from vibecell.model.errors import (
    ExpiredCredential,
    FieldProblem,
    InvalidRequest,
    WrongCredential,
)
from vibecell.model.names import KeyId
from vibecell.sharing.key_ring import KeyRing
from vibecell.wire.derivations import MAX_TOKEN_LIFETIME_S, TokenRequest

ISSUER = AUDIENCE = "vibecell"
ALGORITHM = "HS256"
#: By which the clocks of several gateways may differ.
SKEW_S = 5
_Seconds = Annotated[int, Meta(ge=0, lt=2**53)]
_WRONG = "the token is not known"


class _Limits(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A grant as claims have it."""

    rate: Annotated[str, Meta(max_length=32)] | None = None
    concurrent: int | None = None
    streams: int | None = None
    cpu_ms_per_day: int | None = None
    output_bytes_per_day: int | None = None

    @classmethod
    def of(cls, grant: Grant) -> "_Limits":
        rate = None if grant.rate is None else str(grant.rate)
        others = {name: getattr(grant, name) for name in cls.__struct_fields__ if name != "rate"}
        return cls(rate, **others)

    def grant(self) -> Grant:
        rate = None if self.rate is None else Rate.parsed(self.rate)
        return Grant(rate, *(getattr(self, name) for name in self.__struct_fields__[1:]))


class _Claims(msgspec.Struct, forbid_unknown_fields=True):
    """All claims there are, and all are required."""

    iss: str
    aud: str
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds
    sub: User
    key: KeyId
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=8)]
    limits: _Limits


@dataclass(frozen=True, slots=True)
class Minted:
    """A credential that was just made.

    Attributes:
        text: what is to be shown; in no ``repr``.
        expires_at: in seconds since 1970.
        scopes: what a token is good for, sorted; nothing of a ticket.
    """

    text: str = field(repr=False)
    expires_at: float
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What a token says that was signed here, and whose time is not over."""

    derived: Derived
    expires_at: float


class Tokens:
    """Makes and reads tokens.

    Args:
        keys: whose tokens they are, and what signs them.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def mint(self, caller: Caller, wanted: TokenRequest) -> Minted:
        """A token for one of a key's users.

        Args:
            caller: who came with the key.

        Raises:
            InvalidRequest: names what would be wider than the key.
            WrongCredential, ExpiredCredential, RevokedCredential: the key has just died.
        """
        key = self._keys.of_id(caller.owner.key)
        scopes = frozenset(wanted.scopes or DEFAULT_SCOPES & key.scopes)
        problems = [
            FieldProblem(f"limits.{name}", "must be no wider than its key's")
            for name in wanted.limits.wider_than(key.grant)
        ]
        if not scopes or not scopes <= key.scopes:
            known = ", ".join(sorted(key.scopes))
            problems.insert(0, FieldProblem("scopes", f"must be among its key's: {known}"))
        if problems:
            raise InvalidRequest(*problems)
        now = int(time.time())
        expires_at = now + wanted.expires_in_s
        if key.expires_at is not None:
            expires_at = min(expires_at, int(key.expires_at))
        sorted_scopes = tuple(sorted(scopes))
        claims = _Claims(
            ISSUER, AUDIENCE, now, now, expires_at,
            wanted.user, key.id, sorted_scopes, _Limits.of(wanted.limits),
        )  # fmt: skip
        secret = self._keys.signing_secrets[0]
        text = jwt.encode(msgspec.to_builtins(claims), secret, algorithm=ALGORITHM)
        return Minted(text, expires_at, sorted_scopes)

    def read(self, text: str) -> ReadToken:
        """What a token says.

        Raises:
            WrongCredential: it was not signed here for this, or says what none of ours does.
            ExpiredCredential: its time is over; told of one that is right in all else.
        """
        claims = self._claims(text)
        if claims.exp - claims.iat > MAX_TOKEN_LIFETIME_S:
            raise WrongCredential(_WRONG)
        try:
            grant = claims.limits.grant()
        except InvalidRequest as error:
            raise WrongCredential(_WRONG) from error
        if claims.exp <= time.time():
            raise ExpiredCredential("the token has expired")
        derived = Derived(claims.key, claims.sub, frozenset(claims.scopes), grant)
        return ReadToken(derived, claims.exp)

    def _claims(self, text: str) -> _Claims:
        for secret in self._keys.signing_secrets:
            try:
                found = _verified(text, secret)
            except jwt.InvalidSignatureError:
                continue  # another secret may have signed it
            except jwt.InvalidTokenError as error:
                raise WrongCredential(_WRONG) from error
            try:
                return msgspec.convert(found, _Claims)
            except msgspec.ValidationError as error:
                raise WrongCredential(_WRONG) from error
        raise WrongCredential(_WRONG)


def _verified(text: str, secret: bytes) -> dict[str, Any]:
    return jwt.decode(
        text,
        secret,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        leeway=SKEW_S,
        options={
            "require": list(_Claims.__struct_fields__),
            "strict_aud": True,
            "verify_exp": False,  # judged last, and to the second: see ``read``
        },
    )
