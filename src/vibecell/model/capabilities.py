"""What a deployment enforces on its host, layer by layer.

Owns the words for it; refuses to measure: that is the sandbox's, by trying.
"""

from dataclasses import dataclass
from typing import Literal

from vibecell.model.errors import SandboxFailure

Wall = Literal["shared", "fresh"]
"""``shared``: many cells over time behind one; ``fresh``: one for each, thrown away with it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of protection and whether this host enforces it.

    Attributes:
        name: a field's standard term ("user namespace", "seccomp", …).
        enforced: whether a probe showed it to work.
        detail: what it gives here, or what its absence costs.
        mend: what an operator can do about an absence; empty if enforced.
        required: policy refuses to start without it.
    """

    name: str
    enforced: bool
    detail: str
    mend: str = ""
    required: bool = True

    @classmethod
    def of(cls, name: str, enforced: bool, promise: str, mend: str = "") -> "Layer":
        """A required layer: what it promises, and whether that was found true."""
        if enforced:
            return cls(name, True, promise)
        return cls(name, False, f"not so: {promise}", mend)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend enforces on this host, layer by layer."""

    backend: str
    wall: Wall
    layers: tuple[Layer, ...]

    @property
    def missing(self) -> tuple[Layer, ...]:
        """Required layers that are not enforced: reasons not to start."""
        return tuple(x for x in self.layers if x.required and not x.enforced)

    def require_all(self) -> None:
        """Refuse to go on while a required layer is not enforced.

        Raises:
            SandboxFailure: names all of them, and how to mend each.
        """
        if self.missing:
            reasons = (
                f"{x.name}: {x.detail}" + (f" (to mend: {x.mend})" if x.mend else "")
                for x in self.missing
            )
            raise SandboxFailure("find the required protection on this host", "; ".join(reasons))
