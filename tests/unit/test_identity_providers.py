"""Identity providers in the settings: what is understood, and what stops the start."""

from pathlib import Path

import pytest

from vibecell.config import ConfigError, Settings, load, pack, unpack
from vibecell.model.identity_provider import IdentityProvider

GIVEN = """
[identity_providers.login]
issuer = "https://login.example/"
audience = "https://run.example"
jwks_url = "https://login.example/keys"
key = "k3v9q0t2m1xa"
scopes = { "run:code" = "execute" }
algorithms = ["ES256"]
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "vibecell.toml"
    path.write_text(text)
    return load({"HOME": "/nowhere"}, path)


def test_a_provider_is_a_table_and_reaches_the_children(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GIVEN)
    assert settings.identity_providers == {
        "login": IdentityProvider(
            "https://login.example/",
            "https://run.example",
            "https://login.example/keys",
            "k3v9q0t2m1xa",
            scopes={"run:code": "execute"},
            algorithms=("ES256",),
        )
    }
    assert unpack(pack(settings), Settings) == settings


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ('issuer = "https://login.example/"', "", "login.issuer: must be there"),
        ('audience = "https://run.example"', "", "login.audience: must be there"),
        ('key = "k3v9q0t2m1xa"', 'key = "a b"', "login.key"),
        ('["ES256"]', '["HS256"]', "login.algorithms"),
        ('["ES256"]', '["none"]', "login.algorithms"),
        ('["ES256"]', "[]", "login.algorithms"),
        ('"execute" }', '"everything" }', "login.scopes"),
        ("https://login.example/keys", "http://login.example/keys", "login.jwks_url"),
        ("https://login.example/keys", "https://me:pw@login.example/keys", "login.jwks_url"),
        ("https://login.example/keys", "https://login.example:port/keys", "login.jwks_url"),
        ("https://login.example/keys", "file:///etc/passwd", "login.jwks_url"),
        ("https://login.example/keys", "https:///keys", "login.jwks_url"),
        ("[identity_providers.login]", '[identity_providers."A B"]', "identity_providers: 'A B'"),
    ],
)
def test_what_would_let_anybody_in_stops_the_start(
    tmp_path: Path, line: str, instead: str, told: str
) -> None:
    assert line in GIVEN
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GIVEN.replace(line, instead))
    assert told in str(caught.value)


def test_keys_may_be_fetched_from_this_machine_without_tls(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9000/keys", "http://localhost/keys", "http://[::1]:9000/keys"):
        loaded(tmp_path, GIVEN.replace("https://login.example/keys", url))


def test_an_issuer_is_one_provider(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is another's, too"):
        loaded(tmp_path, GIVEN + GIVEN.replace("providers.login", "providers.other"))
