"""From a key, or what derives from it, to a caller.

Owns the law that what is derived is never wider than what it derives from, as that is at the
moment of use: scopes are met, and both grants hold. Refuses to ask whether the key is alive.
"""

from dataclasses import dataclass, field
from typing import Literal

from vibecell.model.caller import (
    NO_BOUNDS,
    SCOPES,
    Account,
    Caller,
    Grant,
    Owner,
    Scope,
    User,
)
from vibecell.model.names import KeyId
from vibecell.sharing.keys import Key

#: Whose the executions of those are who show nothing.
ANONYMOUS = "local"


@dataclass(frozen=True, slots=True)
class Derived:
    """What was given away of a key.

    Attributes:
        key: its id; ``None``: of nobody's, which shows nothing.
        user: for whom; ``None``: for the key's holder himself.
        scopes: which of the key's.
        grant: to this user, beside the key's.
        expires_at: of the token that it is, or that it was derived from.
    """

    key: KeyId | None
    user: User | None
    scopes: frozenset[Scope]
    grant: Grant = NO_BOUNDS
    expires_at: float | None = field(default=None, compare=False)

    @classmethod
    def whole_of(cls, caller: Caller) -> "Derived":
        """All that a caller may."""
        owner = caller.account.owner
        key = None if caller.kind == "anonymous" else owner.key
        grant = caller.account.user_grant
        return cls(key, owner.user, caller.scopes, grant, caller.expires_at)

    def caller(self, key: Key, kind: Literal["token", "ticket"]) -> Caller:
        """Who comes with it, as its key is now."""
        account = Account(Owner(key.id, self.user), key.weight, key.grant, self.grant)
        return Caller(account, self.scopes & key.scopes, key.origins, kind, self.expires_at)


def caller_of_key(key: Key) -> Caller:
    """Who comes with a key itself."""
    account = Account(Owner(key.id), key.weight, key.grant)
    return Caller(account, key.scopes, key.origins)


def anonymous_caller(kind: Literal["anonymous", "ticket"] = "anonymous") -> Caller:
    """Who may come without a credential, and do all."""
    return Caller(Account(Owner(ANONYMOUS)), frozenset(SCOPES), kind=kind)
