"""The ports of the sandbox: what a backend gives, what the engine may ask.

Owns the interfaces and the values that cross them; refuses judgement. A
process that ends is reported as facts (``Exit``); what they are called is the
engine's affair. The sandbox knows no language: it gets a profile and argv.

Life of a cell: ``Backend.acquire`` hands out a warm, unused cell;
``Cell.start`` begins a process in it; ``Process.read`` yields what it says,
ending with one ``Exit``; ``Cell.collect`` brings the files it left;
``Cell.destroy`` ends everything in it, always, and never raises. How much and how
long at most is in ``bounds.py``.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import Interactive, OmittedFile, OutputFile, SourceFile, Usage
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.model.marks import SILENT, Marks
from vibecell.model.measures import Measured

TellPosition = Callable[[int], None]
"""Told the place in a queue, 0 is next."""


class CellDied(SandboxFailure):
    """A cell ended by itself before anything was heard of its program."""


class Undelivered(SandboxFailure):
    """A control that a cell has not taken in time: its program has most likely not got it."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to start in a cell.

    Attributes:
        mode: ``in_place``: the warm runner becomes the program (``argv`` are
            the program's own arguments after ``entrypoint``); ``exec``:
            ``argv`` is executed.
        entrypoint: workspace-relative path of the program, for ``in_place``.
        stdin: fed first; followed by end of input unless ``interactive``.
        interactive: input stays open; true: on a terminal, which is stdin, stdout and stderr.
        columns, rows: the size of that at the start.
        collects: how many files, and bytes of files, the cell brings at its
            end without being asked; ``None`` leaves that to ``Cell.collect``.
        marks: where its start is noted.
        tell_waiting: told true, again and again, as long as the process waits for input and has
            done nothing else for ``bounds.STILL_S``, where that can be seen; false when it goes
            on, at its end at the latest. ``None``: nobody wants to know.
    """

    mode: Literal["in_place", "exec"]
    entrypoint: str
    argv: tuple[str, ...]
    files: tuple[SourceFile, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    stdin: bytes = b""
    interactive: Interactive = False
    columns: int = 80
    rows: int = 24
    collects: tuple[int, int] | None = None
    marks: Marks = field(default=SILENT, repr=False, compare=False)
    tell_waiting: Callable[[bool], None] | None = field(default=None, repr=False, compare=False)

    @property
    def has_terminal(self) -> bool:
        """Whether it runs on one."""
        return self.interactive is True


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes the process wrote, as many as came at once.

    All of one process, its displays included, come to no more than its ``Limits.output_bytes``.
    """

    name: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class DisplayData:
    """One JSON object (MIME type to content) the program displays; hostile bytes.

    At most ``bounds.MAX_DISPLAY_BYTES``. Costs ``bounds.DISPLAY_COST_BYTES`` of the limit on
    output besides its own bytes.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class DisplayLeftOut:
    """A display that is too large, or one too many for the limit on output: it is not brought.

    Costs what it would have cost.
    """


@dataclass(frozen=True, slots=True)
class Exit:
    """Facts of the end of a process, none of them from bytes it wrote.

    Attributes:
        exit_code: ``None`` when a signal ended it.
        signal: number of that signal; ``None`` otherwise.
        stopped_by: the limit whose enforcement ended it, or ``cancel`` when
            ``Process.kill`` did; ``None`` when it ended by itself. ``processes``: it got
            nowhere after a fork was refused.
        memory_limit_hit: the kernel killed for memory, or the watch did.
        process_limit_hit: a fork was refused by the limit on processes.
        workspace_limit_hit: no byte or inode was left in workspace or /tmp
            when it ended.
        wall_time_ms: from start to end, measured outside the cell.
        cpu_time_ms: of all its processes, and of what works for them within the cell.
        output_bytes: of stdout, stderr and displays, and ``bounds.DISPLAY_COST_BYTES`` of
            each display, before any cut.
        truncated: output was cut at the limit.
    """

    exit_code: int | None
    signal: int | None
    stopped_by: (
        Literal["wall_time", "cpu_time", "memory", "output", "processes", "cancel"] | None
    ) = None
    memory_limit_hit: bool = False
    process_limit_hit: bool = False
    workspace_limit_hit: bool = False
    wall_time_ms: float = 0.0
    cpu_time_ms: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    output_bytes: int = 0
    truncated: bool = False


Occurrence = Output | DisplayData | DisplayLeftOut | Exit


@dataclass(frozen=True, slots=True)
class Collection:
    """The files that a program left, as far as they were asked for.

    Attributes:
        files: no more of them, and no more bytes in all, than were asked for.
            Their paths can be sent again, together.
        omitted: what else was new or changed, and why it is not among them: no more than
            ``bounds.MAX_OMITTED_NAMED``. Caches are in neither: ``cell/workspace.py`` says
            which. What the cell says of them is a claim.
        left_out: how many there were of the latter, named or not; a claim as well.
    """

    files: tuple[OutputFile, ...] = ()
    omitted: tuple[OmittedFile, ...] = ()
    left_out: int = 0


NOTHING_LEFT = Collection()


class Process(Protocol):
    """A running process; limits are enforced without its reader's help."""

    def read(self) -> AsyncIterator[Occurrence]:
        """What happens, in order; the last is exactly one ``Exit``.

        Raises:
            SandboxFailure: the cell died under the process.
        """
        ...

    async def write_stdin(self, data: bytes) -> None:
        """Feed input; waits while the program does not take it. After the end: ignored.

        Beyond what a cell holds it goes on as the program takes it, while somebody reads:
        what is taken is told like everything else a cell says.
        """
        ...

    async def end_stdin(self) -> None:
        """End standard input once what was written is taken, for whoever reads from then on."""
        ...

    async def send_signal(self, number: int) -> None:
        """Signal the program's (foreground) process group; ignored after its end.

        Never waits for input that the program has not taken; nor does ``resize``.

        Raises:
            Undelivered: not within ``bounds.CONTROL_DEADLINE_S``.
        """
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size; ignored where there is none.

        Raises:
            Undelivered: as ``send_signal``.
        """
        ...

    def usage_now(self) -> Usage:
        """What it has used up to now, memory and processes as they are at this moment.

        As far as the host counts, and looks from outside: the rest is ``None``. After its end,
        or that of its cell, what was seen last may be all that is known.
        """
        ...

    def kill(self) -> None:
        """End it within ``bounds.END_GRACE_S``, as a cancel; returns at once."""
        ...


class Cell(Protocol):
    """A place for the processes of one execution, or one session."""

    async def start(self, spec: ProcessSpec) -> Process:
        """Write the files and start the process; one at a time.

        Raises:
            SandboxFailure: the cell died, or could not do it; names the step.
        """
        ...

    async def collect(self, max_files: int, max_bytes: int) -> Collection:
        """Files new or changed since ``start``, after every process has ended.

        Regular files with one name only; never follows a link. Whatever
        offends is left out, and so is what does not fit; the rest is kept.

        Raises:
            SandboxFailure: the cell died, brings more than it was asked for, names a file
                in a way that cannot be sent again, or is not
                done within ``bounds.COLLECT_DEADLINE_S``.
        """
        ...

    async def destroy(self) -> None:
        """End every process, release everything; idempotent, never raises."""
        ...


class Backend(Protocol):
    """Makes outer walls and hands out warm cells inside them."""

    async def probe(self) -> Capabilities:
        """Measure, by trying, what this host enforces; makes no pool."""
        ...

    async def reap(self) -> None:
        """End what an earlier life of the engine left, as far as there is what it was made with.

        Raises:
            SandboxFailure: it cannot be found out what there is.
        """
        ...

    async def open(self) -> None:
        """Reap, probe and start keeping cells warm.

        Raises:
            SandboxFailure: a required layer is missing; names all of them.
        """
        ...

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> Cell:
        """A warm cell of this profile, used by nobody before.

        Waits for one to be made when none is ready (bounded by a deadline). A
        caller that is cancelled while it waits has taken none.

        Args:
            tell: called while the wait is a long one, whenever its place in the
                queue has changed.

        Raises:
            SandboxFailure: none could be made in time.
        """
        ...

    def counts(self) -> dict[str, int]:
        """What there is at this moment, by name: ``pool.<profile>.ready`` and more."""
        ...

    async def measured(self) -> tuple[Measured, ...]:
        """What is counted of its cells, and of the host, in families of ``model/families.py``."""
        ...

    async def close(self) -> None:
        """Destroy everything; idempotent."""
        ...
