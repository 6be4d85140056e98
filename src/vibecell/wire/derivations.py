"""What clients send to have a credential made of theirs, and what they receive.

Owns the bodies and answers of ``POST /v1/tokens`` and ``POST /v1/tickets``. Refuses to know what a
credential is worth (``gateway/identity``).
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from vibecell.model.caller import DAY_S, NO_BOUNDS, Grant, Rate, Scope, User
from vibecell.model.names import ExecutionId
from vibecell.wire.bodies import built, encodable, fields_of, judged_type, strict_model
from vibecell.wire.fields import StrictModel
from vibecell.wire.json_text import moment
from vibecell.wire.judging import judged
from vibecell.wire.views import JsonObject

MAX_TOKEN_LIFETIME_S = DAY_S
DEFAULT_TOKEN_LIFETIME_S = 3_600
_RATE = "Executions begun, as `60/minute`: a number, and second, minute, hour or day."


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token is wanted for.

    Attributes:
        user: whose it is.
        scopes: which of its key's; ``None``: those of execute, read and control that it has.
        limits: of this user, beside its key's.
        expires_in_s: from now on.
    """

    user: User
    scopes: tuple[Scope, ...] | None = None
    limits: Grant = NO_BOUNDS
    expires_in_s: int = DEFAULT_TOKEN_LIFETIME_S


def _grant_body() -> type[BaseModel]:
    rate = (Annotated[str, Field(max_length=32)] | None, Field(default=None, description=_RATE))
    fields, _ = fields_of(Grant, rate=rate)
    return strict_model("GrantBody", "How much a user may have; no wider than the key's.", fields)


GrantBody = _grant_body()


class TokenBody(StrictModel):
    """For which of a key's users, how far, and for how long."""

    user: judged_type(User) = Field(description="Whose the token is, as the platform calls him.")  # type: ignore[valid-type]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Among the key's; by default those of execute, read and control that it has.",
    )
    limits: GrantBody | None = Field(default=None, description="Beside those of the key.")  # type: ignore[valid-type]
    expires_in_s: int = Field(
        default=DEFAULT_TOKEN_LIFETIME_S,
        ge=1,
        le=MAX_TOKEN_LIFETIME_S,
        description="From now on; never longer than the key.",
    )


class TicketBody(StrictModel):
    """What a ticket is good for."""

    execution: judged_type(ExecutionId) | None = Field(  # type: ignore[valid-type]
        default=None,
        description="To follow this execution; without it, to begin one by WebSocket.",
    )


class TokenView(StrictModel):
    """A token, and when it expires (RFC 3339, UTC)."""

    token: str
    expires_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class TicketView(StrictModel):
    """A ticket, and when it expires (RFC 3339, UTC)."""

    ticket: str
    expires_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def decode_token_request(value: object) -> TokenRequest:
    """A parsed JSON value as what a token is wanted for.

    Raises:
        InvalidRequest: names each wrong field.
    """
    given: dict[str, Any] = dict(vars(judged(TokenBody, value)))
    limits = NO_BOUNDS
    if given["limits"] is not None:
        parts = vars(given["limits"])
        rate = None if parts["rate"] is None else Rate.parsed(parts["rate"], "limits.rate")
        limits = built(Grant, parts, "limits", rate=rate)
    scopes = None if given["scopes"] is None else tuple(dict.fromkeys(given["scopes"]))
    user = encodable(given["user"], "user")
    return TokenRequest(user, scopes, limits, given["expires_in_s"])


def decode_ticket_request(value: object) -> str | None:
    """A parsed JSON value as the execution that a ticket is wanted for, if it is for one.

    Raises:
        InvalidRequest: names each wrong field.
    """
    return judged(TicketBody, value).execution


def encode_token(text: str, expires_at: float) -> JsonObject:
    """A token as it is shown, once."""
    return {"token": text, "expires_at": moment(expires_at)}


def encode_ticket(text: str, expires_at: float) -> JsonObject:
    """A ticket as it is shown, once."""
    return {"ticket": text, "expires_at": moment(expires_at)}
