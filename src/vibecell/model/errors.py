"""What can go wrong, as a tree of three branches.

Owns every exception that crosses a room's border; refuses foreign ones: an
adapter translates what it meets (``OSError``, a library's own) before it
leaves the room. A program that fails is not here: that is a verdict.

    VibecellError
    ├── RequestError            the caller's: do not retry unchanged
    │   ├── InvalidRequest      a field is wrong (422), field by field
    │   ├── MalformedRequest    not even readable (400)
    │   ├── UnsupportedLanguage no such language or version (422)
    │   ├── UnknownExecution    no such id, or not yours (404)
    │   ├── Conflict            contradicts what is already there (409)
    │   ├── NotPermitted        the credential does not go that far (403)
    │   └── Unauthenticated     nobody whom we serve (401)
    │       ├── MissingCredential    none came
    │       ├── MalformedCredential  what came can be none
    │       ├── WrongCredential      what came is none of ours
    │       ├── ExpiredCredential    it was one, until its time was over
    │       └── RevokedCredential    it was one, until it was revoked
    ├── CapacityError           try later: carries ``retry_after_s``
    │   ├── QueueFull           no place to wait in (503)
    │   ├── LimitReached        the caller's own limit (429)
    │   └── ShuttingDown        the engine is stopping (503)
    └── PlatformError           ours: carries the ``step`` that failed (500)
        ├── EngineUnavailable   the engine cannot be reached (503)
        ├── StoreUnavailable    keys, limits or usage cannot be read or written (503)
        ├── SandboxFailure      a cell could not be made, or died
        └── ProtocolViolation   a peer broke the protocol
"""

from dataclasses import dataclass


class VibecellError(Exception):
    """Root of the tree; never raised itself."""


class RequestError(VibecellError):
    """The caller's mistake; the message is written for the caller."""


class MalformedRequest(RequestError):
    """The bytes received cannot be read as a request at all."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: ``path`` as ``files.0.path``, ``message`` for a person."""

    path: str
    message: str


class InvalidRequest(RequestError):
    """A readable request with wrong fields.

    Attributes:
        problems: one entry per wrong field, never empty.
    """

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{p.path}: {p.message}" for p in problems))
        self.problems = problems


class UnsupportedLanguage(RequestError):
    """No such language, or no such version of it."""


class UnknownExecution(RequestError):
    """No execution with this id that the caller may see.

    Deliberately the same for an id that never was, one that has expired and
    one that belongs to somebody else: existence is not told.
    """


class Conflict(RequestError):
    """The request contradicts the state of what it names."""


class NotPermitted(RequestError):
    """The caller is known, and may not do this with what it has shown."""


class Unauthenticated(RequestError):
    """Whoever asks has not shown that we serve him."""


class MissingCredential(Unauthenticated):
    """No credential came, and one is needed."""


class MalformedCredential(Unauthenticated):
    """What came has not the form of any credential, or there are several."""


class WrongCredential(Unauthenticated):
    """What came is no credential of ours; deliberately the same for every way of being wrong."""


class ExpiredCredential(Unauthenticated):
    """Its time is over; told only to who holds the whole of it.

    Attributes:
        key_id: of the key that has died; ``None`` where its token's own time is over.
    """

    def __init__(self, message: str, key_id: str | None = None) -> None:
        super().__init__(message)
        self.key_id = key_id


class RevokedCredential(Unauthenticated):
    """It was revoked; told only to who holds the whole of it.

    Attributes:
        key_id: of the key that has died.
    """

    def __init__(self, message: str, key_id: str | None = None) -> None:
        super().__init__(message)
        self.key_id = key_id


class CapacityError(VibecellError):
    """There is no room now; trying again later may succeed.

    Attributes:
        retry_after_s: a hint in whole seconds, at least 1.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = max(1, retry_after_s)


class QueueFull(CapacityError):
    """Every cell is busy and every waiting place is taken."""


class LimitReached(CapacityError):
    """A limit of the caller's own is used up; the message says whose, and which."""


class ShuttingDown(CapacityError):
    """The engine accepts nothing new because it is stopping."""


class PlatformError(VibecellError):
    """Ours, not the caller's.

    Attributes:
        step: what was being done, in a few words ("fork a cell").
    """

    def __init__(self, step: str, detail: str = "") -> None:
        super().__init__(f"{step}: {detail}" if detail else step)
        self.step = step


class EngineUnavailable(PlatformError):
    """The engine does not answer on its socket."""


class StoreUnavailable(PlatformError):
    """What is kept of keys, limits or usage cannot be read or written: nobody is let in by it."""


class SandboxFailure(PlatformError):
    """A wall could not be built, or what is behind it died by itself."""


class ProtocolViolation(PlatformError):
    """A peer sent what the protocol does not allow."""


def forget_frames(error: BaseException) -> None:
    """Let an error that is kept not keep the frames it passed, and all that is in them.

    What keeps an error is often in one of its frames: a circle, which holds whatever was
    being read or written until the collector comes by.
    """
    passed: BaseException | None = error
    while passed is not None:
        passed.__traceback__ = None
        passed = passed.__context__
