"""Tokens of identity providers: who is let in by them, and who is not."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from vibecell.gateway.identity.courier import KeySet
from vibecell.gateway.identity.narrowing import Derived
from vibecell.gateway.identity.provider_tokens import ProviderTokens
from vibecell.model.caller import DEFAULT_SCOPES
from vibecell.model.errors import ExpiredCredential, StoreUnavailable, WrongCredential
from vibecell.model.identity_provider import IdentityProvider

RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PROVIDER = IdentityProvider(
    issuer="https://login.example/",
    audience="vibecell",
    jwks_url="https://login.example/keys",
    key="shop",
)


def public(key: Any, kid: str, algorithm: str = "RS256") -> dict[str, str]:
    told = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {"kid": kid, **{k: v for k, v in told.items() if isinstance(v, str)}}


KEYS = KeySet((public(RSA, "rsa"), public(EC, "ec", "ES256")))


class Courier:
    """Has the keys at hand."""

    def __init__(self, keys: KeySet = KEYS) -> None:
        self.keys = keys

    def find(self, provider: str, kid: str | None) -> dict[str, str] | None:
        assert provider == "login"
        return self.keys.find(kid)


def tokens(provider: IdentityProvider = PROVIDER, keys: KeySet = KEYS) -> ProviderTokens:
    return ProviderTokens({"login": provider}, Courier(keys))  # type: ignore[arg-type]


def signed(
    key: Any = RSA, kid: str | None = "rsa", algorithm: str = "RS256", **changed: Any
) -> str:
    claims: dict[str, Any] = {
        "iss": PROVIDER.issuer,
        "aud": PROVIDER.audience,
        "sub": "ann",
        "exp": int(time.time()) + 60,
        **changed,
    }
    left = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(left, key, algorithm, headers={} if kid is None else {"kid": kid})


def test_whom_a_provider_vouches_for_is_a_user_of_its_key() -> None:
    token = signed()
    assert tokens().knows(token)
    assert tokens().read(token).derived == Derived("shop", "ann", DEFAULT_SCOPES)
    assert tokens().read(signed(EC, "ec", "ES256")).derived.user == "ann"
    assert tokens().read(signed(aud=["other", "vibecell"])).derived.user == "ann"


def test_other_claims_may_name_user_and_scopes() -> None:
    provider = IdentityProvider(
        PROVIDER.issuer, PROVIDER.audience, PROVIDER.jwks_url, "shop", "email", "permissions",
        {"run:code": "execute", "see:code": "read", "all": "admin"},
    )  # fmt: skip
    asked = tokens(provider)
    for told in ("run:code see:code unknown", ["run:code", "see:code", 7, "unknown"]):
        vouched = asked.read(signed(email="ann@shop.example", permissions=told)).derived
        assert vouched == Derived("shop", "ann@shop.example", frozenset(("execute", "read")))
    assert asked.read(signed(email="ann")).derived.scopes == frozenset()
    for wrong in ({"permissions": 7, "email": "ann"}, {"email": 7}, {"email": ["ann"]}, {}):
        with pytest.raises(WrongCredential):
            asked.read(signed(**wrong))


@pytest.mark.parametrize("name", ["ann\n", "a\nb", "ann\ud800", "", "a" * 129])
def test_who_has_no_name_that_can_stand_in_a_line_is_not_let_in(name: str) -> None:
    token = signed(sub=name)
    assert tokens().knows(token)
    with pytest.raises(WrongCredential):
        tokens().read(token)


NOW = int(time.time())


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "somebody else"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": NOW + 3600},
        {"iat": NOW + 3600},
        {"sub": None},
        {"sub": 7},
        {"key": OTHER},
        {"kid": "unknown"},
        {"kid": None},
        {"kid": "ec"},
        {"algorithm": "RS512"},
        {"algorithm": "PS256"},
        {"key": EC, "kid": "rsa", "algorithm": "ES256"},
    ],
    ids=lambda wrong: "-".join(f"{k}={v}" if isinstance(v, str) else k for k, v in wrong.items()),
)
def test_what_is_not_as_the_settings_say_is_wrong(wrong: dict[str, Any]) -> None:
    token = signed(**wrong)
    assert tokens().knows(token)
    with pytest.raises(WrongCredential):
        tokens().read(token)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512"])
def test_nobody_signs_with_what_everybody_can_read(algorithm: str) -> None:
    pem = json.dumps(KEYS.keys[0])
    secret = None if algorithm == "none" else pem * 2
    claims = {"iss": PROVIDER.issuer, "aud": "vibecell", "sub": "ann", "exp": NOW + 3600}
    token = jwt.encode(claims, secret, algorithm, headers={"kid": "rsa"})
    with pytest.raises(WrongCredential):
        tokens().read(token)
    shared = KeySet(({"kty": "oct", "kid": "rsa", "k": "c2VjcmV0" * 8},))
    with pytest.raises(WrongCredential):
        tokens(keys=shared).read(token)


def test_only_whose_token_was_right_is_told_that_it_has_expired() -> None:
    with pytest.raises(ExpiredCredential):
        tokens().read(signed(exp=int(time.time()) - 31))
    assert tokens().read(signed(exp=int(time.time()) - 5)).derived.user == "ann"  # clocks differ
    with pytest.raises(WrongCredential):
        tokens().read(signed(OTHER, exp=int(time.time()) - 31))


@pytest.mark.parametrize(
    "other",
    [
        "",
        "vc_a_b",
        "a.b.c",
        "....",
        "x" * 9000,
        signed(iss="https://else.example/"),
        signed(iss=None),
    ],
    ids=("empty", "key", "dots", "only dots", "long", "another", "none"),
)
def test_what_is_no_token_of_theirs_is_not_looked_at(other: str) -> None:
    assert not tokens().knows(other)
    assert not ProviderTokens({}, Courier()).knows(signed())  # type: ignore[arg-type]


def test_a_token_without_a_kid_goes_by_the_only_key() -> None:
    assert tokens(keys=KeySet((public(RSA, "rsa"),))).read(signed(kid=None)).derived.user == "ann"


def test_keys_that_cannot_be_learnt_let_nobody_in() -> None:
    class Away:
        def find(self, provider: str, kid: str | None) -> None:
            raise StoreUnavailable("learn the identity provider's keys")

    with pytest.raises(StoreUnavailable):
        ProviderTokens({"login": PROVIDER}, Away()).read(signed())  # type: ignore[arg-type]
