"""Who executes what a process is asked for.

Owns the choice of the concrete executor, for the gateway and for every command; refuses
to import anything that makes walls: the gateway's process asks here, too.
"""

from typing import Protocol

from vibecell.config import Settings
from vibecell.engine.client import EngineClient
from vibecell.executor import Executor
from vibecell.model.errors import EngineUnavailable
from vibecell.model.marks import Moment


class TracedExecutor(Executor, Protocol):
    """An executor that also tells when it did what."""

    def traces(self) -> dict[str, dict[Moment, int]] | None:
        """The moments of the newest executions by id, in nanoseconds; ``None``: it notes none.

        Raises:
            EngineUnavailable: it cannot be asked.
        """
        ...


def executor(settings: Settings) -> TracedExecutor:
    """The executor of a deployment; nothing is asked of it yet."""
    return EngineClient(settings.engine_socket)


def is_ready(asked: Executor) -> bool:
    """Whether it takes requests by now; one that is not there does not."""
    try:
        return asked.health().ready
    except EngineUnavailable:
        return False
