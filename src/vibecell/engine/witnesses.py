"""Who is told of executions that have ended, and what.

Owns the facts of an end and the port for whoever counts, logs or audits them; refuses to let
one of those change anything: an execution has ended before it is told.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vibecell.model.caller import Owner
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.marks import Moment
from vibecell.model.provenance import Provenance

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """What was run, without being told what it says.

    Attributes:
        sha256: hexadecimal, of every file's path and content, in the order of the request.
        size_bytes: of all contents.
        files: how many.
    """

    sha256: str
    size_bytes: int
    files: int

    @classmethod
    def of(cls, request: ExecutionRequest) -> "Source":
        """That of a request."""
        digest, size_bytes = hashlib.sha256(), 0
        for file in request.files:
            path = file.path.encode()
            # lengths first: no two lists of files run together into the same bytes
            digest.update(b"%d:%d:" % (len(path), len(file.content)))
            digest.update(path)
            digest.update(file.content)
            size_bytes += len(file.content)
        return cls(digest.hexdigest(), size_bytes, len(request.files))


@dataclass(frozen=True, slots=True)
class Ended:
    """One execution that has ended, and of whose cell nothing is left.

    Attributes:
        language: canonical name.
        place: where its cell was, as the settings call it; empty for the default one,
            ``None`` where it needed no cell.
        begun_at_us: when it was accepted, in microseconds of Unix time.
        moments_ns: of its life, on ``CLOCK_MONOTONIC``; those that it reached.
        result: with its output, which a witness must not keep.
    """

    id: str
    owner: Owner
    provenance: Provenance
    source: Source
    language: str
    place: str | None
    begun_at_us: int
    moments_ns: Mapping[Moment, int]
    result: Result


class Witness(Protocol):
    """Is told of every execution, once."""

    def ended(self, ended: Ended) -> None:
        """One has ended. Called in the engine's loop: must return at once."""
        ...


def tell(witnesses: Sequence[Witness], ended: Ended) -> None:
    """Tell each of them; one that fails keeps nothing from the others."""
    for witness in witnesses:
        try:
            witness.ended(ended)
        except Exception:
            _LOG.exception("a witness of execution %s failed", ended.id)
