"""What is audited; the port: what keeps an audit promises.

Owns the record of an act, what may be asked of an audit, and the protocol that ``memory_audit`` and
``sqlite_audit`` keep, tried by one suite. Refuses what was run, what it said and by which secret it
was asked for: a record has hashes, sizes and names.

1. What was appended stays as it is, in its order. Nothing is changed, and nothing is removed but
   from the beginning, by pruning.
2. ``append`` keeps all of its records or none; after a crash as well, but for the last second
   before a power failure.
3. ``read`` tells by time, then by the order of appending; what is appended while it is read may be
   among it or not.
4. Pruning by time removes what comes before the first record that is not older. So a clock that was
   wrong for a while may keep records for longer, and never costs one.
5. What cannot be read or written raises ``StoreUnavailable``. What is damaged is never taken for an
   empty audit.

Calls may wait for a disk, so whoever has a loop makes them in a thread, one at a time.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Protocol, get_args

import msgspec
from msgspec import Meta, Struct

from vibecell.model.caller import CredentialKind, Scope, User
from vibecell.model.execution import Usage
from vibecell.model.names import ExecutionId, KeyId
from vibecell.model.provenance import Address, RequestId
from vibecell.model.verdicts import Verdict

#: ``records_lost``: so many could not be kept; ``pruned``: so many were removed by hand.
Act = Literal[
    "execution",
    "key_created",
    "key_revoked",
    "key_rotated",
    "secret_rotated",
    "token_issued",
    "credential_refused",
    "records_lost",
    "pruned",
]
ACTS: tuple[Act, ...] = get_args(Act)
#: Why a credential was refused that had been good.
Death = Literal["expired", "revoked"]
US_PER_S = 1_000_000
#: In microseconds of Unix time.
MomentUs = Annotated[int, Meta(ge=0, le=2**62)]
_Count = Annotated[int, Meta(ge=0, le=2**62)]
_Uid = Annotated[int, Meta(ge=0, lt=2**32)]
_Name = Annotated[str, Meta(max_length=256)]
MAX_RECORD_BYTES = 16 * 1024


class Executed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution, without a byte of what it was or said.

    Attributes:
        sha256: hexadecimal, of paths and contents; ``engine/witnesses.py`` says in which form.
        size_bytes: of all contents.
        place: of its cell; empty for the default one, ``None`` where it needed none.
        begun_at_us: when it was accepted.
        usage: of all its stages.
    """

    id: ExecutionId
    language: _Name
    sha256: Annotated[str, Meta(max_length=64)]
    size_bytes: _Count
    files: _Count
    begun_at_us: MomentUs
    verdict: Verdict
    usage: Usage
    place: _Name | None = None


class Granted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a new credential is good for.

    Attributes:
        expires_at_us: ``None``: when its key ends.
    """

    scopes: tuple[Scope, ...]
    expires_at_us: MomentUs | None = None


class AuditRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One act: who, when, from where, what.

    Attributes:
        at_us: when; of an execution its end.
        key: on whose behalf, or of which key the act was.
        key_name: as it was called when it was made.
        user: of that key's users; of a token for whom it is.
        credential: what was shown; ``None`` on a command line.
        address, request_id: of the request, if there was one.
        uid: of the operating system's user who gave a command.
        login_uid: as whom he had logged in to this machine, where the kernel knows.
        reason: why a credential is none any more.
        count: how often, or how many; ``None``: once.
    """

    at_us: MomentUs
    act: Act
    key: KeyId | None = None
    key_name: _Name | None = None
    user: User | None = None
    credential: CredentialKind | None = None
    address: Address | None = None
    request_id: RequestId | None = None
    uid: _Uid | None = None
    login_uid: _Uid | None = None
    reason: Death | None = None
    count: _Count | None = None
    granted: Granted | None = None
    execution: Executed | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Of an execution."""
        return None if self.execution is None else self.execution.verdict


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AuditRecord)


def encoded(record: AuditRecord) -> bytes:
    """A record in one line of JSON."""
    return _encoder.encode(record)


def decoded(line: bytes | str) -> AuditRecord:
    """The record that a line is; raises ``msgspec.MsgspecError`` where it is none."""
    return _decoder.decode(line)


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Which records are asked for.

    Attributes:
        since_us: at this moment or later.
        before_us: before this one; ``None``: up to now.
        key, user, verdict, act: of these alone.
        newest: as many of what is left, from the end; ``None``: all.
    """

    since_us: int = 0
    before_us: int | None = None
    key: str | None = None
    user: str | None = None
    verdict: Verdict | None = None
    act: Act | None = None
    newest: int | None = None

    def takes(self, record: AuditRecord) -> bool:
        """Whether a record is among them, but for how many."""
        return (
            self.since_us <= record.at_us
            and (self.before_us is None or record.at_us < self.before_us)
            and self.key in (None, record.key)
            and self.user in (None, record.user)
            and self.verdict in (None, record.verdict)
            and self.act in (None, record.act)
        )


class AuditStore(Protocol):
    """What keeps an audit; every call raises ``StoreUnavailable`` where it cannot."""

    def open(self) -> None:
        """Make it where there is none, and show that it can be written."""
        ...

    def append(self, records: Sequence[AuditRecord]) -> None:
        """Keep further records."""
        ...

    def read(self, query: AuditQuery) -> Iterator[AuditRecord]:
        """Those asked for, the oldest first."""
        ...

    def size_bytes(self) -> int:
        """What it holds, without room that is free within."""
        ...

    def prune_before(self, moment_us: int) -> int:
        """Remove what is older, from the beginning; return how many."""
        ...

    def prune_to(self, most_bytes: int) -> int:
        """Remove the oldest until it holds at most so much; return how many."""
        ...

    def close(self) -> None:
        """Let go of it; idempotent."""
        ...
