"""What a token is good for, how far, how long, and what is no token of ours."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from unit.key_owners import (
    BEGIN,
    FOLLOW_LIVE,
    LANGUAGES,
    LOOK,
    MAKE_TICKET,
    MAKE_TOKEN,
    Door,
    KeyOwners,
    bearing,
    door_of_settings,
)
from vibecell.gateway.identity import tokens
from vibecell.model.caller import SCOPES, Grant, Owner, Rate
from vibecell.model.errors import (
    ExpiredCredential,
    InvalidRequest,
    MalformedCredential,
    NotPermitted,
    RevokedCredential,
    WrongCredential,
)
from vibecell.sharing.key_desk import GivenOut
from vibecell.sharing.server_secrets import new_server_secret
from vibecell.wire.derivations import TokenRequest, decode_token_request

GRANT = Grant(Rate(60, 60), 8, 4, 3_600_000, 1_000_000)


@pytest.fixture
def owners() -> KeyOwners:
    return KeyOwners()


def minted(owners: KeyOwners, key: GivenOut, **wanted: Any) -> str:
    door = Door(owners.ring)
    caller = door.ask(bearing(key.text), MAKE_TOKEN)
    return door.made.tokens.mint(caller, TokenRequest(**{"user": "ann", **wanted})).text


def test_who_comes_with_a_token_is_the_keys_user_and_may_no_more(owners: KeyOwners) -> None:
    key = owners.create(grant=GRANT)
    limits = Grant(Rate(1, 1), 2)
    caller = Door(owners.ring).ask(bearing(minted(owners, key, limits=limits)))
    assert (caller.kind, caller.owner) == ("token", Owner(key.key.id, "ann"))
    assert caller.scopes == key.key.scopes
    assert (caller.account.key_grant, caller.account.user_grant) == (GRANT, limits)
    assert caller.account.weight == 2.0


def test_a_key_of_the_settings_makes_tokens_too() -> None:
    door = door_of_settings("0123456789abcdef-key")
    caller = door.ask(bearing("0123456789abcdef-key"), MAKE_TOKEN)
    made = door.made.tokens.mint(caller, TokenRequest("ann"))
    found = door.ask(bearing(made.text))
    assert found.owner == Owner(caller.owner.key, "ann")
    # what a browser is given is no operator's, though the key is one's
    assert found.scopes == {"execute", "read", "control"}


def test_a_token_is_for_what_it_was_made_for(owners: KeyOwners) -> None:
    token = minted(owners, owners.create(), scopes=("read",))
    door = Door(owners.ring)
    assert door.ask(bearing(token), LOOK).scopes == {"read"}
    assert door.ask(bearing(token), FOLLOW_LIVE).scopes == {"read"}
    with pytest.raises(NotPermitted, match="execute"):
        door.ask(bearing(token), BEGIN)


def test_a_token_makes_no_token(owners: KeyOwners) -> None:
    token = minted(owners, owners.create(frozenset(SCOPES)), scopes=SCOPES)
    with pytest.raises(NotPermitted):
        Door(owners.ring).ask(bearing(token), MAKE_TOKEN)


@pytest.mark.parametrize("scopes", [("execute",), ("read", "execute"), ("admin",), SCOPES])
def test_scopes_that_a_key_has_not_are_none_of_its_tokens(
    owners: KeyOwners, scopes: tuple[Any, ...]
) -> None:
    key = owners.create(frozenset({"read", "metrics"}))
    with pytest.raises(InvalidRequest) as refused:
        minted(owners, key, scopes=scopes)
    assert [problem.path for problem in refused.value.problems] == ["scopes"]


def test_a_key_without_any_of_the_usual_scopes_has_to_say_which(owners: KeyOwners) -> None:
    key = owners.create(frozenset({"metrics"}))
    with pytest.raises(InvalidRequest):
        minted(owners, key)
    token = minted(owners, key, scopes=("metrics",))
    assert Door(owners.ring).ask(bearing(token)).scopes == {"metrics"}


WIDER = [
    ("rate", Rate(61, 60)), ("rate", Rate(2, 1)), ("concurrent", 9), ("streams", 5),
    ("cpu_ms_per_day", 3_600_001), ("output_bytes_per_day", 1_000_001),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WIDER)
def test_limits_wider_than_the_keys_are_refused_by_name(
    owners: KeyOwners, name: str, value: Any
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        minted(owners, owners.create(grant=GRANT), limits=Grant(**{name: value}))
    assert [problem.path for problem in refused.value.problems] == [f"limits.{name}"]


BODIES: list[tuple[object, str]] = [
    ({}, "user"),
    ({"user": ""}, "user"),
    ({"user": "a\nb"}, "user"),
    ({"user": "x" * 129}, "user"),
    ({"user": "\ud800"}, "user"),
    ({"user": 7}, "user"),
    ({"user": "ann", "scopes": []}, "scopes"),
    ({"user": "ann", "scopes": ["root"]}, "scopes.0"),
    ({"user": "ann", "scopes": "read"}, "scopes"),
    ({"user": "ann", "expires_in_s": 0}, "expires_in_s"),
    ({"user": "ann", "expires_in_s": 86_401}, "expires_in_s"),
    ({"user": "ann", "expires_in_s": 1.5}, "expires_in_s"),
    ({"user": "ann", "limits": {"rate": "60"}}, "limits.rate"),
    ({"user": "ann", "limits": {"rate": "0/minute"}}, "limits.rate"),
    ({"user": "ann", "limits": {"concurrent": 0}}, "limits.concurrent"),
    ({"user": "ann", "limits": {"weight": 9}}, "limits.weight"),
    ({"user": "ann", "key": "another"}, "key"),
    ([], "request"),
]


@pytest.mark.parametrize(("body", "where"), BODIES)
def test_what_is_wrong_with_a_wish_for_a_token_is_named(body: object, where: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_token_request(body)
    assert where in [problem.path for problem in refused.value.problems]


def test_a_wish_for_a_token_is_read_as_it_says() -> None:
    limits = {"rate": "60/minute", "streams": 2}
    body = {"user": "ännchen 🦊", "scopes": ["read", "read"], "limits": limits, "expires_in_s": 60}
    assert decode_token_request(body) == TokenRequest(
        "ännchen 🦊", ("read",), Grant(rate=Rate(60, 60), streams=2), 60
    )
    assert decode_token_request({"user": "ann"}) == TokenRequest("ann", None, Grant(), 3600)


def test_the_longest_name_of_a_user_fits_a_token(owners: KeyOwners) -> None:
    token = minted(owners, owners.create(grant=GRANT), user="🦊" * 128, limits=GRANT)
    assert Door(owners.ring).ask(bearing(token)).owner.user == "🦊" * 128


def test_a_token_dies_with_its_key(owners: KeyOwners) -> None:
    revoked, expiring = owners.create(), owners.create(lifetime_s=60)
    one, other = minted(owners, revoked), minted(owners, expiring)
    door = Door(owners.ring, wrong_keys_per_minute=1)
    assert door.ask(bearing(one)).kind == door.ask(bearing(other)).kind == "token"
    owners.revoke(revoked)
    owners.late_s = 61
    for _ in range(3):
        with pytest.raises(RevokedCredential):
            door.ask(bearing(one))
        with pytest.raises(ExpiredCredential):
            door.ask(bearing(other))


def test_a_token_is_no_longer_good_than_its_key(owners: KeyOwners) -> None:
    key = owners.create(lifetime_s=60)
    door = Door(owners.ring)
    made = door.made.tokens.mint(door.ask(bearing(key.text), MAKE_TOKEN), TokenRequest("ann"))
    assert key.key.expires_at is not None
    assert made.expires_at <= key.key.expires_at


def test_a_token_of_a_key_that_is_not_there_is_wrong(owners: KeyOwners) -> None:
    elsewhere = KeyOwners()
    elsewhere.replace_secrets(secret := new_server_secret())
    owners.replace_secrets(secret)
    token = minted(owners, owners.create())
    elsewhere.create()
    with pytest.raises(WrongCredential):
        Door(elsewhere.ring).ask(bearing(token))


def test_a_token_outlives_the_secret_that_signed_it_once(owners: KeyOwners) -> None:
    owners.replace_secrets(old := new_server_secret())
    key = owners.create()
    token = minted(owners, key)
    owners.replace_secrets(new := new_server_secret(), old)
    door = Door(owners.ring)
    assert door.ask(bearing(token)).kind == "token"
    assert door.ask(bearing(minted(owners, key))).kind == "token"
    owners.replace_secrets(new)
    with pytest.raises(WrongCredential):
        door.ask(bearing(token))


def test_who_holds_a_token_is_told_that_its_time_is_over(
    owners: KeyOwners, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = minted(owners, owners.create(), expires_in_s=60)
    door = Door(owners.ring, wrong_keys_per_minute=1)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    end = jwt.decode(token, options={"verify_signature": False})["exp"]
    monkeypatch.setattr(tokens.time, "time", lambda: end - 0.1)
    assert door.ask(bearing(token)).kind == "token"
    monkeypatch.setattr(tokens.time, "time", lambda: float(end))  # to the second
    for _ in range(3):
        with pytest.raises(ExpiredCredential):
            door.ask(bearing(token))
    with pytest.raises(WrongCredential):
        door.ask(bearing(forged))


Forge = Callable[[dict[str, Any], bytes], str]


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(claims: dict[str, Any], secret: bytes, **header: Any) -> str:
    return jwt.encode(claims, secret, algorithm="HS256", headers=header)


def altered(**changes: Any) -> Forge:
    return lambda claims, secret: signed({**claims, **changes}, secret)


def without(name: str) -> Forge:
    def forge(claims: dict[str, Any], secret: bytes) -> str:
        return signed({key: value for key, value in claims.items() if key != name}, secret)

    return forge


def unsigned(claims: dict[str, Any], secret: bytes) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def kept_signature(claims: dict[str, Any], secret: bytes) -> str:
    head, _, signature = signed(claims, secret).split(".")
    return f"{head}.{part({**claims, 'sub': 'bob'})}.{signature}"


def deep(depth: int) -> str:
    data = b'{"a":%b%b}' % (b"[" * depth, b"]" * depth)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


NOW = int(time.time())
CLAIMS = ("iss", "aud", "iat", "nbf", "exp", "sub", "key", "scopes", "limits")
FORGED: dict[str, Forge] = {
    "no algorithm": unsigned,
    "no algorithm, in capitals": lambda c, s: f"{part({'alg': 'NONE'})}.{part(c)}.",
    "another algorithm": lambda c, s: jwt.encode(c, s + s, algorithm="HS512"),
    "an algorithm that is a list": lambda c, s: f"{part({'alg': ['HS256']})}.{part(c)}.AAAA",
    "another secret": lambda c, s: signed(c, b"x" * 32),
    "the secret's own key as a header": lambda c, s: signed(
        c, b"x" * 32, jwk={"kty": "oct", "k": "eHh4"}, jku="https://evil.example", kid="../../x"
    ),
    "a signature of something else": kept_signature,
    "another audience": altered(aud="another"),
    "several audiences": altered(aud=["vibecell", "another"]),
    "another issuer": altered(iss="https://idp.example"),
    "not yet": altered(nbf=NOW + 3600),
    "issued tomorrow": altered(iat=NOW + 86_400, exp=NOW + 86_500),
    "for ever": altered(exp=NOW + 10 * 365 * 86_400),
    "times that are none": altered(exp="never"),
    "times without end": altered(exp=1e300),
    "nobody": altered(sub=""),
    "several users": altered(sub=["ann", "bob"]),
    "a user with a line end": altered(sub="ann\nbob"),
    "no scopes": altered(scopes=[]),
    "scopes there are none": altered(scopes=["root"]),
    "scopes as a word": altered(scopes="admin"),
    "another key's form": altered(key="../other"),
    "a claim more": altered(admin=True),
    "huge claims": altered(sub="x" * 100_000),
    "nested claims": altered(limits={"rate": [[[[{}]]]]}),
    "a rate that is none": altered(limits={"rate": "fast"}),
    "limits that are none": altered(limits={"concurrent": "many"}),
    "limits there are none": altered(limits={"speed": 1}),
    "a deep header": lambda c, s: f"{deep(1400)}..AAAA",
    "deep claims": lambda c, s: f"{part({'alg': 'HS256'})}.{deep(1400)}.AAAA",
    "deep claims with a signature": lambda c, s: jwt.api_jws.PyJWS().encode(
        b'{"a":%b%b}' % (b"[" * 1400, b"]" * 1400), s, "HS256"
    ),
    "claims that are no object": lambda c, s: jwt.api_jws.PyJWS().encode(b"[1]", s, "HS256"),
    "claims that are no text": lambda c, s: jwt.api_jws.PyJWS().encode(b"\xff\xfe", s, "HS256"),
    "two parts": lambda c, s: signed(c, s).rpartition(".")[0],
    "four parts": lambda c, s: signed(c, s) + ".AAAA",
    "a payload beside it": lambda c, s: f"{part({'alg': 'HS256', 'b64': False})}..AAAA",
    **{f"without {name}": without(name) for name in CLAIMS},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_is_wrong_and_nothing_more_is_said(owners: KeyOwners, how: str) -> None:
    key = owners.create(frozenset(SCOPES))
    token = minted(owners, key)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == set(CLAIMS)
    secret = owners.ring.signing_secrets[0]
    door = Door(owners.ring)
    assert door.ask(bearing(signed(claims, secret))).kind == "token"  # what it would be unchanged
    with pytest.raises((WrongCredential, MalformedCredential)) as refused:
        door.ask(bearing(FORGED[how](claims, secret)))
    assert str(refused.value) in {
        "the token is not known",
        "the key is not known",
        "Authorization must be: Bearer, one blank, the credential",
    }


def test_a_token_can_only_narrow_what_its_key_may_now(owners: KeyOwners) -> None:
    """Whoever has the secret of another server of the same keys, or of a time before."""
    key = owners.create(frozenset({"read"}), GRANT)
    claims = jwt.decode(minted(owners, key), options={"verify_signature": False})
    claims |= {"scopes": list(SCOPES), "limits": {"concurrent": 1_000}}
    door = Door(owners.ring)
    caller = door.ask(bearing(signed(claims, owners.ring.signing_secrets[0])), LANGUAGES)
    assert caller.scopes == {"read"}
    assert caller.account.key_grant == GRANT
    with pytest.raises(NotPermitted):
        door.ask(bearing(signed(claims, owners.ring.signing_secrets[0])), BEGIN)


def test_what_is_minted_is_in_no_representation(owners: KeyOwners) -> None:
    key = owners.create()
    door = Door(owners.ring)
    made = door.made.tokens.mint(door.ask(bearing(key.text), MAKE_TOKEN), TokenRequest("ann"))
    assert made.text not in repr(made)
    assert door.ask(bearing(made.text), MAKE_TICKET).kind == "token"
