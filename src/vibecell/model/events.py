"""What an execution says while it lives, and what may be said to it.

Owns the numbered event stream and the controls. The laws, which every
executor keeps and one suite tests:

1. ``seq`` starts at 1 and has no gap.
2. Exactly one ``Finished`` comes, and it is last, even when the platform fails.
3. Output is bytes until the wire.
4. Reading can resume after any ``seq``, and then yields the same events.
5. A UTF-8 character is never split across two ``Stream`` events of one name.
6. A slow reader delays only itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vibecell.model.execution import Outcome, Result

StreamName = Literal["stdout", "stderr"]
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL")
SignalName = Literal["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL"]


@dataclass(frozen=True, slots=True)
class Queued:
    """Waiting; ``position`` 0 is next in line."""

    position: int


@dataclass(frozen=True, slots=True)
class Started:
    """A stage began."""

    stage: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A piece of output, whole characters wherever the program wrote UTF-8."""

    stage: str
    name: StreamName
    data: bytes


@dataclass(frozen=True, slots=True)
class Display:
    """Something to look at, as Jupyter's display_data: MIME type to content.

    Text types hold text, binary types (image/png) base64.
    """

    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exited:
    """A stage ended."""

    stage: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Finished:
    """The execution ended; nothing follows."""

    result: Result


Event = Queued | Started | Stream | Display | Exited | Finished


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event and its place in the execution's stream, from 1."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Stdin:
    """Bytes for the program's standard input."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """No more standard input."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The client's terminal has a new size."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the program's foreground process group."""

    name: SignalName


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the execution for good, at whatever stage it is."""


Control = Stdin | EndOfInput | Resize | Signal | Cancel
