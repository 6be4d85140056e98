"""How much an execution may use.

Owns the quantities and the arithmetic of lowering and clamping them;
refuses values that mean nothing (zero, negative). How a limit is enforced is
the sandbox's business, what exceeding it is called is the verdict's.
"""

from dataclasses import dataclass, fields, replace
from typing import Annotated

from msgspec import Meta

from vibecell.model.errors import FieldProblem, InvalidRequest

MIB = 1024 * 1024
LOWEST, HIGHEST = 1, 2**53 - 1  # the highest that every reader of JSON keeps whole
# the three standard streams, and one with which the program itself is read
LEAST_OPEN_FILES = 4
Quantity = Annotated[int, Meta(ge=LOWEST, le=HIGHEST)]
OpenFiles = Annotated[int, Meta(ge=LEAST_OPEN_FILES, le=HIGHEST)]


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of one stage of one execution.

    Attributes:
        wall_time_ms: real time from the start of the program, milliseconds.
        cpu_time_ms: user plus system time of all its processes together.
        memory_bytes: memory of all its processes and files in memory together.
        processes: processes and threads alive at once.
        open_files: descriptors per process; with less than 4 no program begins.
        workspace_bytes: bytes of files in the workspace; the same again in /tmp.
        output_bytes: bytes of stdout, stderr and displays together; each display counts
            1 KiB besides.

    Raises:
        InvalidRequest: a value is below its least, or above 2**53 - 1.
    """

    wall_time_ms: Quantity = 10_000
    cpu_time_ms: Quantity = 10_000
    memory_bytes: Quantity = 512 * MIB
    processes: Quantity = 64
    open_files: OpenFiles = 256
    workspace_bytes: Quantity = 64 * MIB
    output_bytes: Quantity = 1 * MIB

    def __post_init__(self) -> None:
        wrong = []
        for member in fields(self):
            value = getattr(self, member.name)
            least = LEAST_OPEN_FILES if member.name == "open_files" else LOWEST
            if not least <= value <= HIGHEST:
                bound = f"at least {least}" if value < least else f"at most {HIGHEST}"
                wrong.append(FieldProblem(f"limits.{member.name}", f"must be {bound}"))
        if wrong:
            raise InvalidRequest(*wrong)

    def require_within(self, ceiling: "Limits") -> None:
        """Refuse what a deployment does not grant.

        Raises:
            InvalidRequest: names every field above its ceiling.
        """
        wrong = [
            FieldProblem(f"limits.{f.name}", f"must be at most {getattr(ceiling, f.name)}")
            for f in fields(self)
            if getattr(self, f.name) > getattr(ceiling, f.name)
        ]
        if wrong:
            raise InvalidRequest(*wrong)

    def overridden(self, **values: int | None) -> "Limits":
        """A copy with those of ``values`` that are set."""
        return replace(self, **{k: v for k, v in values.items() if v is not None})


DEFAULT_LIMITS = Limits()
DEFAULT_CEILING = Limits(
    wall_time_ms=120_000,
    cpu_time_ms=120_000,
    memory_bytes=2048 * MIB,
    processes=256,
    open_files=1024,
    workspace_bytes=512 * MIB,
    output_bytes=64 * MIB,
)
