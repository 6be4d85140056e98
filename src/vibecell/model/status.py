"""What may be asked about an execution, and about whoever runs it.

Owns the answers; refuses to know who gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vibecell.model.capabilities import Capabilities
from vibecell.model.execution import Encoding, OnDisconnect, Result, State


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
class Health:
    """How the executor is.

    Attributes:
        ready: it takes requests and can make cells.
        counts: ``running``, ``queued``, ``kept`` executions and more.
    """

    ready: bool
    capabilities: Capabilities
    counts: Mapping[str, int]
