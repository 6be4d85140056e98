"""Tokens that an identity provider of the settings has signed.

Owns what such a token must be, and which caller its claims make; refuses every algorithm but
those the settings name for its issuer, and to learn keys otherwise than by the courier. Whoever
a token names is a user of the key that the settings give its issuer, and may never more than it.

Source: RFC 7519; RFC 8725 (best current practices) sections 3.1, 3.8, 3.9.
"""

from collections.abc import Mapping
from typing import Any

import jwt

from vibecell.gateway.identity.courier import Courier
from vibecell.gateway.identity.narrowing import Derived
from vibecell.gateway.identity.tokens import ReadToken
from vibecell.model.caller import DEFAULT_SCOPES, SCOPES, Scope, User, checked_user
from vibecell.model.errors import ExpiredCredential, InvalidRequest, WrongCredential
from vibecell.model.identity_provider import IdentityProvider

#: Between two clocks.
LEEWAY_S = 30
_MAX_KID_CHARACTERS = 256
_UNREAD: Any = {"verify_signature": False}


class ProviderTokens:
    """Verifies the tokens of a deployment's providers.

    Args:
        providers: by their names in the settings.
        courier: has their keys.
    """

    def __init__(self, providers: Mapping[str, IdentityProvider], courier: Courier) -> None:
        self._by_issuer = {p.issuer: (name, p) for name, p in providers.items()}
        self._courier = courier

    def knows(self, token: str) -> bool:
        """Whether a token says that it is of one of them, which may be a lie."""
        if not self._by_issuer:
            return False
        try:
            return jwt.decode(token, options=_UNREAD).get("iss") in self._by_issuer
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False

    def read(self, token: str) -> ReadToken:
        """What a token says that ``knows`` knew.

        Raises:
            WrongCredential: it is not what it says.
            ExpiredCredential: it was, until its time was over.
            StoreUnavailable: the provider's keys cannot be learnt.
        """
        try:
            name, provider = self._by_issuer[jwt.decode(token, options=_UNREAD)["iss"]]
            return _read(provider, self._verified(name, provider, token))
        except jwt.ExpiredSignatureError as error:  # of a token whose signature is right
            raise ExpiredCredential("this token has expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise WrongCredential("this token is not known") from error

    def _verified(self, name: str, provider: IdentityProvider, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in provider.algorithms:
            raise jwt.InvalidAlgorithmError("it is none that the settings name")
        if kid is not None and not (isinstance(kid, str) and len(kid) <= _MAX_KID_CHARACTERS):
            raise jwt.InvalidTokenError("its kid is none")
        found = self._courier.find(name, kid)
        if found is None or found.get("alg", algorithm) != algorithm:
            raise jwt.InvalidKeyError("the provider has no such key")
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(found, algorithm),
            algorithms=[algorithm],
            audience=provider.audience,
            issuer=provider.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims


def _read(provider: IdentityProvider, claims: Mapping[str, Any]) -> ReadToken:
    user = _user(claims[provider.user_claim])
    derived = Derived(provider.key, user, _scopes(provider, claims))
    return ReadToken(derived, float(claims["exp"]))


def _user(claim: object) -> User:
    if not isinstance(claim, str):
        raise TypeError("the claim of the user is none")
    try:
        return checked_user(claim)
    except InvalidRequest as error:
        raise ValueError("the claim of the user is none that a key may have") from error


def _scopes(provider: IdentityProvider, claims: Mapping[str, Any]) -> frozenset[Scope]:
    if not provider.scopes:
        return DEFAULT_SCOPES
    told = claims.get(provider.scope_claim, ())
    words = told.split() if isinstance(told, str) else told
    if not isinstance(words, list | tuple):
        raise TypeError("the claim of the scopes is none")
    meant = {provider.scopes.get(word) for word in words if isinstance(word, str)}
    return frozenset(scope for scope in SCOPES if scope in meant)
