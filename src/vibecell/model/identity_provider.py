"""An identity provider whose users a deployment serves.

Owns what an operator says of one: whose tokens it signs, where its keys are, and what a token's
claims mean here. Refuses algorithms by which whoever verifies could sign as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from vibecell.model.caller import SCOPES
from vibecell.model.loopback import is_loopback
from vibecell.model.names import KEY_ID

#: Asymmetric ones. Source: RFC 7518 section 3.1, RFC 8037 section 3.1
ALGORITHMS = (
    *(f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)),
    "EdDSA",
)


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """One issuer of tokens.

    Attributes:
        issuer: as its tokens say it (``iss``), to the letter.
        audience: whom its tokens must be meant for (``aud``).
        jwks_url: where its keys are, by https, or by http on this machine.
        key: id of the key on whose behalf its users act, and never further than that.
        user_claim: which claim names the user.
        scope_claim: which claim lists scopes, as words or as a list.
        scopes: what those mean here; empty: the claim is not read, and a token may
            execute, read and control.
        algorithms: by which it may sign.
    """

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    key: str = ""
    user_claim: str = "sub"
    scope_claim: str = "scope"
    scopes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    algorithms: tuple[str, ...] = ("RS256", "ES256")

    def problems(self) -> list[str]:
        """What is wrong with it, each in a line; empty where nothing is."""
        wrong = [
            f"{name}: must be there" for name in ("issuer", "audience") if not getattr(self, name)
        ]
        if not _is_fetchable(self.jwks_url):
            wrong.append("jwks_url: must be https://…, or http://… on this machine")
        if not KEY_ID.match(self.key):
            wrong.append("key: must be the id of a key, as vibecell keys list has it")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            wrong.append(f"algorithms: must be of {', '.join(ALGORITHMS)}")
        if not set(self.scopes.values()) <= set(SCOPES):
            wrong.append(f"scopes: must each mean one of {', '.join(SCOPES)}")
        return wrong


def _is_fetchable(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    if not url.hostname or url.username is not None or url.fragment:
        return False
    local = url.scheme == "http" and (url.hostname == "localhost" or is_loopback(url.hostname))
    return url.scheme == "https" or local
