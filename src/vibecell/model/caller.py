"""Who asks, for whom, and what both may.

Owns owners of executions, scopes, and grants: how much somebody may begin and use. Refuses to
know how a caller shows who it is (``gateway/identity``), and to count (``sharing``).

A *key* belongs to a platform, a *user* is one of the people behind it. Whatever is derived from
a key is never wider than it: a user's scopes are among the key's, and both grants hold at once.
"""

import re
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Literal, get_args

from msgspec import Meta

from vibecell.model.errors import FieldProblem, InvalidRequest, NotPermitted
from vibecell.model.limits import HIGHEST
from vibecell.model.names import END, KeyId

Scope = Literal["execute", "read", "control", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: frozenset[Scope] = frozenset(("execute", "read", "control"))

#: By what a caller was shown; ``anonymous``: by nothing.
CredentialKind = Literal["anonymous", "key", "token", "ticket"]

DAY_S = 86_400
PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": DAY_S}
_RATE = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)\Z")

MAX_USER_CHARACTERS = 128
_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f]"
#: As the platform calls its user; printable, so that it can stand in a line.
User = Annotated[
    str, Meta(min_length=1, max_length=MAX_USER_CHARACTERS, pattern=f"^{_PRINTABLE}+{END}")
]
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100.0
Weight = Annotated[float, Meta(ge=LEAST_WEIGHT, le=MOST_WEIGHT)]
Amount = Annotated[int, Meta(ge=1, le=HIGHEST)]


# JSON can say half of a pair of surrogates, which is no character and cannot be passed on
_USER = re.compile(rf"(?:(?![\ud800-\udfff]){_PRINTABLE}){{1,{MAX_USER_CHARACTERS}}}\Z")


def checked_user(name: str, where: str = "user") -> User:
    """A name that a platform may give to one of its users.

    Raises:
        InvalidRequest: it is empty, too long, or not printable.
    """
    if not _USER.match(name):
        told = f"must be 1 to {MAX_USER_CHARACTERS} characters, none of them a control character"
        raise InvalidRequest(FieldProblem(where, told))
    return name


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an execution is.

    Attributes:
        key: id of the key on whose behalf it was begun.
        user: of that key's users; ``None`` where it is the key's own.
    """

    key: KeyId
    user: User | None = None

    def owns(self, other: "Owner") -> bool:
        """Whether what is ``other``'s is this one's, too: a key's is all that its users have."""
        return self.key == other.key and self.user in (None, other.user)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within any period of so many seconds."""

    count: Annotated[int, Meta(ge=1, le=999_999_999)]
    period_s: Annotated[int, Meta(ge=1, le=DAY_S)]

    @classmethod
    def parsed(cls, text: str, where: str = "rate") -> "Rate":
        """The rate that a text means, as ``60/minute``.

        Raises:
            InvalidRequest: it means none.
        """
        match = _RATE.match(text)
        if match is None:
            problem = FieldProblem(where, "must be as 60/minute, of second, minute, hour or day")
            raise InvalidRequest(problem)
        return cls(int(match[1]), PERIODS_S[match[2]])

    def __str__(self) -> str:
        for name, seconds in PERIODS_S.items():
            if seconds == self.period_s:
                return f"{self.count}/{name}"
        return f"{self.count}/{self.period_s}s"

    def is_within(self, other: "Rate") -> bool:
        """Whether whoever keeps this one keeps the other."""
        slower = self.count * other.period_s <= other.count * self.period_s
        return self.count <= other.count and slower


@dataclass(frozen=True, slots=True)
class Grant:
    """How much somebody may have; ``None``: no bound of his own.

    Attributes:
        rate: executions begun.
        concurrent: executions that run or wait at once.
        streams: event streams and WebSockets open at once.
        cpu_ms_per_day: processor time of a day in UTC, of programs that ended or run.
        output_bytes_per_day: of stdout, stderr and displays likewise.
    """

    rate: Rate | None = None
    concurrent: Amount | None = None
    streams: Amount | None = None
    cpu_ms_per_day: Amount | None = None
    output_bytes_per_day: Amount | None = None

    def wider_than(self, other: "Grant") -> tuple[str, ...]:
        """Names of what this one says and the other does not grant."""
        return tuple(
            member.name
            for member in fields(self)
            if not _is_within(getattr(self, member.name), getattr(other, member.name))
        )


def _is_within(wanted: "Rate | int | None", granted: "Rate | int | None") -> bool:
    if wanted is None or granted is None:
        return True
    if isinstance(wanted, Rate) and isinstance(granted, Rate):
        return wanted.is_within(granted)
    assert isinstance(wanted, int) and isinstance(granted, int)
    return wanted <= granted


NO_BOUNDS = Grant()


@dataclass(frozen=True, slots=True)
class Account:
    """Whom an execution is charged to, and by what measure.

    Attributes:
        owner: whose it is.
        weight: of the owner's key among keys.
        key_grant: of the key, all its users together.
        user_grant: of this user alone.
    """

    owner: Owner
    weight: Weight = 1.0
    key_grant: Grant = NO_BOUNDS
    user_grant: Grant = NO_BOUNDS


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, as its credential shows.

    Attributes:
        account: on whose behalf, and what is granted.
        scopes: what may be asked for.
        origins: of pages, beside the deployment's, that may ask with this credential.
        kind: by what it was shown.
        expires_at: when what it was shown by is none any more, beside its key, in seconds since
            1970; ``None``: as long as the key.
    """

    account: Account
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    origins: tuple[str, ...] = ()
    kind: CredentialKind = "key"
    expires_at: float | None = field(default=None, compare=False)

    @property
    def owner(self) -> Owner:
        """On whose behalf it asks."""
        return self.account.owner

    def account_for(self, user: User | None) -> Account:
        """Whom something is charged to that this one asks for on a user's behalf.

        Args:
            user: as the request says; ``None``: it says none.

        Raises:
            NotPermitted: this one is a user, and that is another.
        """
        owner = self.account.owner
        if user in (None, owner.user):
            return self.account
        if owner.user is not None:
            raise NotPermitted("user must be the one that the token is for")
        return replace(self.account, owner=Owner(owner.key, user))
