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
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vibecell.model.execution import Outcome, Result, TerminalCells, Usage

StreamName = Literal["stdout", "stderr"]
SignalName = Literal["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL"]
MAX_INPUT_CHARACTERS = 256 * 1024  # of one control, where it is text


class _Tagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that says of which kind it is, under ``type``, wherever it travels."""


class Queued(_Tagged, frozen=True, tag="queued"):
    """Waiting; ``position`` 0 is next in line.

    Attributes:
        wait_ms: how long that takes from here, as places came free lately; ``None`` where
            nothing was measured, or where it is a cell that is waited for.
    """

    position: int
    wait_ms: Annotated[int, Meta(ge=0)] | None = None


class Started(_Tagged, frozen=True, tag="started"):
    """A stage began."""

    stage: str


class Stream(_Tagged, frozen=True, tag="stream"):
    """A piece of output, whole characters wherever the program wrote UTF-8."""

    stage: str
    name: StreamName
    data: bytes


class Display(_Tagged, frozen=True, tag="display"):
    """Something to look at, as Jupyter's display_data: MIME type to content.

    Text types hold text, binary types (image/png) base64.
    """

    data: Mapping[str, str]


class UsageSample(_Tagged, frozen=True, tag="usage"):
    """What a stage has used up to now; memory and processes are those of this moment.

    As far as it can be seen from outside the cell: without cgroups that is time and output.
    """

    stage: str
    usage: Usage


class Exited(_Tagged, frozen=True, tag="exited"):
    """A stage ended."""

    stage: str
    outcome: Outcome


class Finished(_Tagged, frozen=True, tag="finished"):
    """The execution ended; nothing follows."""

    result: Result


Event = Queued | Started | Stream | Display | UsageSample | Exited | Finished


class NumberedEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event and its place in the execution's stream, from 1."""

    seq: int
    event: Event


class Stdin(_Tagged, frozen=True, tag="stdin"):
    """Bytes for the program's standard input."""

    data: Annotated[bytes, Meta(extra={"text_characters": MAX_INPUT_CHARACTERS})]


class EndOfInput(_Tagged, frozen=True, tag="end_of_input"):
    """No more standard input."""


class Resize(_Tagged, frozen=True, tag="resize"):
    """The client's terminal has a new size."""

    columns: TerminalCells
    rows: TerminalCells


class Signal(_Tagged, frozen=True, tag="signal"):
    """Send a signal to the program's foreground process group."""

    name: SignalName


class Cancel(_Tagged, frozen=True, tag="cancel"):
    """Stop the execution for good, at whatever stage it is."""


Control = Stdin | EndOfInput | Resize | Signal | Cancel
ASIDE = (Signal, Resize, Cancel)
"""Controls that never wait behind input which a program does not read, on any hop."""
