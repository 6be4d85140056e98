"""Settings on their way to a child process.

Owns their encoding: JSON, whole, read there as a file's values are, so that both ends
follow from the fields' types. Which child is told what is ``cli/children.py``'s.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from vibecell.config.conversion import members
from vibecell.config.settings import Settings

_S = TypeVar("_S", bound=Settings)


def pack(settings: Settings) -> bytes:
    """Every setting, nothing left to a default."""
    return json.dumps(settings, default=_plain).encode()


def unpack(data: bytes, kind: type[_S]) -> _S:
    """The settings that were packed, equal in all.

    Raises:
        ValueError: they were not packed by ``pack``.
        ConfigError: they cannot be used.
    """
    return members(kind(), json.loads(data))


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return {member.name: getattr(value, member.name) for member in fields(value)}  # type: ignore[arg-type]
