"""What may be asked about an execution, and about whoever runs it.

Owns the answers; refuses to know who gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from vibecell.model.caller import User
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.execution import Encoding, OnDisconnect, Result, State
from vibecell.model.names import ExecutionId
from vibecell.model.verdicts import Verdict

DEFAULT_LISTED, MAX_LISTED = 50, 100
UnixMs = Annotated[int, Meta(ge=0, lt=10**15)]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an execution is at the moment somebody takes hold of it.

    Attributes:
        last_seq: number of its newest event; 0 if there is none.
        encoding: how its request wants bytes to be shown.
        on_disconnect: what its request wants done when its last watcher leaves.
        replayed: an idempotency key named it: it was there already.
    """

    id: str
    state: State
    last_seq: int
    encoding: Encoding
    on_disconnect: OnDisconnect
    replayed: bool = False

    def ended_with(self, seq: int) -> bool:
        """Whether it is finished and this number is its last event's."""
        return self.state == "finished" and self.last_seq == seq


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """Where an execution is; ``result`` is set once it is finished."""

    standing: Standing
    result: Result | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of somebody's executions are to be listed, the newest first.

    Attributes:
        state: of all of them; ``None``: whatever it is.
        begun_from_ms: begun at this moment or later, in milliseconds of Unix time.
        begun_before_ms: begun before this moment.
        page: what the page before said of this one; ``None``: the first.
        limit: how many of a page.

    Raises:
        InvalidRequest: ``limit`` is out of bounds.
    """

    state: State | None = None
    begun_from_ms: UnixMs = 0
    begun_before_ms: UnixMs | None = None
    page: ExecutionId | None = None
    limit: int = DEFAULT_LISTED

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LISTED:
            raise InvalidRequest(FieldProblem("limit", f"must be 1 to {MAX_LISTED}"))


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """What a list shows of an execution.

    Attributes:
        language: canonical name.
        user: of its key's users, whose it is; ``None`` where it is the key's own.
        begun_at_ms: when it was accepted, in milliseconds of Unix time.
        ended_at_ms: when its result was there; ``None`` before.
        verdict: ``None`` before the end.
    """

    id: str
    state: State
    language: str
    user: User | None
    begun_at_ms: UnixMs
    ended_at_ms: UnixMs | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Attributes:
        next_page: says where the next one begins, whatever begins or is forgotten meanwhile;
            ``None``: this is the last. A page may have fewer than were asked for before it.
    """

    executions: tuple[ExecutionSummary, ...]
    next_page: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the executor is.

    Attributes:
        ready: it takes requests and can make cells.
        counts: ``running``, ``queued``, ``parked``, ``kept`` executions and more.
    """

    ready: bool
    capabilities: Capabilities
    counts: Mapping[str, int]
