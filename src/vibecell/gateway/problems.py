"""The one table from error to HTTP status and problem+json.

Owns what a client is told when something goes wrong; refuses to tell more: a
message of ours for errors of the caller, a fixed text and an incident number
for everything else. Never a traceback.

Source: RFC 9457 (problem details), RFC 6455 section 7.4.2 (codes 4000 to 4999
are for private use: ours are 4000 plus the status).
"""

import logging
import secrets
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from vibecell.model import errors
from vibecell.wire.json_text import compact_json
from vibecell.wire.views import JsonObject

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:vibecell:problem:"
#: The type of what its status says whole. Source: RFC 9457 section 4.2.1
BLANK = "about:blank"


@dataclass(frozen=True, slots=True)
class Row:
    """How one class of error is told."""

    status: HTTPStatus
    slug: str
    title: str


TABLE: dict[type[errors.VibecellError], Row] = {
    errors.MalformedRequest: Row(
        HTTPStatus.BAD_REQUEST, "malformed-request", "The request cannot be read"
    ),
    errors.InvalidRequest: Row(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "A field of the request is wrong"
    ),
    errors.UnsupportedLanguage: Row(
        HTTPStatus.UNPROCESSABLE_ENTITY, "unsupported-language", "This language is not available"
    ),
    errors.UnknownExecution: Row(
        HTTPStatus.NOT_FOUND, "unknown-execution", "There is no such execution"
    ),
    errors.Conflict: Row(
        HTTPStatus.CONFLICT, "conflict", "The request contradicts the present state"
    ),
    errors.NotPermitted: Row(
        HTTPStatus.FORBIDDEN, "not-permitted", "This credential does not permit that"
    ),
    errors.MissingCredential: Row(
        HTTPStatus.UNAUTHORIZED, "credential-missing", "A credential is required"
    ),
    errors.MalformedCredential: Row(
        HTTPStatus.UNAUTHORIZED, "credential-malformed", "The credential cannot be read"
    ),
    errors.WrongCredential: Row(
        HTTPStatus.UNAUTHORIZED, "credential-wrong", "The credential is not known"
    ),
    errors.ExpiredCredential: Row(
        HTTPStatus.UNAUTHORIZED, "credential-expired", "The credential has expired"
    ),
    errors.RevokedCredential: Row(
        HTTPStatus.UNAUTHORIZED, "credential-revoked", "The credential was revoked"
    ),
    errors.LimitReached: Row(
        HTTPStatus.TOO_MANY_REQUESTS, "limit-reached", "A limit of yours is used up"
    ),
    errors.QueueFull: Row(
        HTTPStatus.SERVICE_UNAVAILABLE, "queue-full", "Every place is taken; try again later"
    ),
    errors.ShuttingDown: Row(
        HTTPStatus.SERVICE_UNAVAILABLE, "shutting-down", "The service is stopping"
    ),
    errors.EngineUnavailable: Row(
        HTTPStatus.SERVICE_UNAVAILABLE, "engine-unavailable", "The engine cannot be reached"
    ),
    errors.StoreUnavailable: Row(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "store-unavailable",
        "What is kept of callers cannot be used now",
    ),
    errors.SandboxFailure: Row(
        HTTPStatus.INTERNAL_SERVER_ERROR, "sandbox-failure", "A cell could not be made"
    ),
    errors.ProtocolViolation: Row(
        HTTPStatus.INTERNAL_SERVER_ERROR, "protocol-violation", "The platform failed"
    ),
}
#: Source: RFC 6750 section 3; it names no error to who presented nothing.
_CHALLENGE = ("WWW-Authenticate", 'Bearer realm="vibecell"')
_CHALLENGE_AGAIN = ("WWW-Authenticate", 'Bearer realm="vibecell", error="invalid_token"')
_UNKNOWN = Row(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "The platform failed")


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal, ready for any transport."""

    status: int
    body: JsonObject
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def type(self) -> str:
        """Which problem it is. Source: RFC 9457 section 3.1.1."""
        return str(self.body["type"])

    @property
    def kind(self) -> str:
        """The word for it in what is counted: one of few, none of a client's."""
        if self.type.startswith(_TYPE_PREFIX):
            return self.type.removeprefix(_TYPE_PREFIX)
        return f"http-{self.status}"

    @property
    def close_code(self) -> int:
        """The WebSocket close code that says the same."""
        return 4000 + self.status

    def response(self) -> Response:
        """The HTTP response, but for what all answers have."""
        response = _Told(compact_json(self.body), self.status, mimetype=MEDIA_TYPE)
        response.problem = self.type
        for name, value in self.headers:
            response.headers[name] = value
        return response


class _Told(Response):
    """An answer that notes on its connection which problem it tells, as it is sent."""

    problem: str

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """See ``Response``."""
        environ["vibecell.handler"].connection.problem = self.problem
        return super().__call__(environ, start_response)


def http_problem_of(error: Exception) -> Problem:
    """How an error is told in an HTTP response, whatever raised it."""
    if isinstance(error, TimeoutError):
        # the body's deadline, kept by the server
        return _closing(_http(408, "the body came too slowly"))
    if isinstance(error, OSError):
        # the body broke off, or is framed wrongly; what follows cannot be trusted
        return _closing(_http(400, "the body is incomplete"))
    return problem_of(error)


def problem_of(error: BaseException) -> Problem:
    """How an error is told to a client; logs those that are ours."""
    if isinstance(error, HTTPException):
        return _http_problem(error)
    row = _row_of(type(error))
    body = outline(type(error))
    if isinstance(error, errors.RequestError):
        body["detail"] = str(error)
        if isinstance(error, errors.InvalidRequest):
            body["errors"] = [{"path": p.path, "message": p.message} for p in error.problems]
        return Problem(row.status, body, _challenge(error))
    if isinstance(error, errors.CapacityError):
        body["detail"] = str(error)
        return _come_again(row.status, body, error.retry_after_s)
    incident = secrets.token_hex(8)
    known = isinstance(error, errors.PlatformError)
    _log.error("incident %s: %s", incident, error, exc_info=None if known else error)
    body["detail"] = f"The failure was recorded as incident {incident}."
    body["incident"] = incident
    if row.status is HTTPStatus.SERVICE_UNAVAILABLE:
        return _come_again(row.status, body, 1)
    return Problem(row.status, body)


def types() -> tuple[str, ...]:
    """Every type of problem that there is."""
    return (BLANK, *(_TYPE_PREFIX + row.slug for row in (*TABLE.values(), _UNKNOWN)))


def outline(kind: type[BaseException] | HTTPStatus) -> JsonObject:
    """What every problem of a kind says, whatever its circumstances."""
    if isinstance(kind, HTTPStatus):
        return {"type": BLANK, "title": kind.phrase, "status": int(kind)}
    row = _row_of(kind)
    return {"type": _TYPE_PREFIX + row.slug, "title": row.title, "status": int(row.status)}


def _row_of(kind: type[BaseException]) -> Row:
    return next((TABLE[t] for t in kind.__mro__ if t in TABLE), _UNKNOWN)


def _challenge(error: errors.RequestError) -> tuple[tuple[str, str], ...]:
    if not isinstance(error, errors.Unauthenticated):
        return ()
    is_first = isinstance(error, errors.MissingCredential)
    return (_CHALLENGE if is_first else _CHALLENGE_AGAIN,)


def _come_again(status: HTTPStatus, body: JsonObject, after_s: int) -> Problem:
    """In the body, too: a message on a WebSocket has no header, nor would its client see one."""
    body["retry_after_s"] = after_s
    return Problem(status, body, (("Retry-After", str(after_s)),))


def _http_problem(error: HTTPException) -> Problem:
    status = HTTPStatus(error.code or 500)
    body = outline(status)
    if error.description and type(error).description != error.description:
        body["detail"] = error.description
    kept = ("allow", "retry-after", "www-authenticate")
    headers = tuple((k, v) for k, v in error.get_headers() if k.lower() in kept)
    after_s = getattr(error, "retry_after", None)
    if isinstance(after_s, int):
        body["retry_after_s"] = after_s
    return Problem(status, body, headers)


def _http(code: int, description: str) -> HTTPException:
    error = HTTPException(description)
    error.code = code
    return error


def _closing(error: HTTPException) -> Problem:
    problem = problem_of(error)
    return replace(problem, headers=(*problem.headers, ("Connection", "close")))


def _body(status: HTTPStatus, kind: str, title: str) -> JsonObject:
    return {"type": kind, "title": title, "status": int(status)}
