"""What every hold on one execution has in common, from the client's side.

Owns the names of the execution and the leaving by ``with``; refuses to know
what is followed, events or the result alone.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class FollowedExecution(ABC):
    """Most of a ``executor.Followed``: all but ``close``."""

    def __init__(self, execution_id: str, replayed: bool) -> None:
        self._id = execution_id
        self._replayed = replayed

    @property
    def id(self) -> str:
        """See ``Followed.id``."""
        return self._id

    @property
    def replayed(self) -> bool:
        """See ``Followed.replayed``."""
        return self._replayed

    @abstractmethod
    def close(self) -> None:
        """See ``Followed.close``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
