"""What the types of the model are made of, read from the types themselves.

Owns the one way in which public shapes are derived from the model, inbound
(``bodies``) and outbound (``views``): a member that is added to a type of the model is in
both, in their documentation, and in what a page is told. Refuses types that are neither
dataclasses nor tagged structs.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta

from vibecell.model.execution import OutputFile, SourceFile, StageOutcome
from vibecell.model.language import INTERNAL

#: What clients know a type as, where that is not its name.
_PUBLIC_NAMES: Mapping[type, str] = {SourceFile: "File", OutputFile: "File", StageOutcome: "Stage"}
_ATTRIBUTE = re.compile(r"    (\w+(?:, \w+)*): (.+(?:\n {8,}.+)*)")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a type.

    Attributes:
        hint: its type, with what is annotated.
        default: what it is where nothing is said; ``NODEFAULT`` where that is an error.
        description: what the docstring of its type says of it; empty if nothing.
    """

    name: str
    hint: Any
    default: Any
    description: str


@lru_cache(256)
def members_of(kind: type) -> tuple[Member, ...]:
    """The members of a dataclass or struct that are anybody's business, in their order."""
    hints = typing.get_type_hints(kind, include_extras=True)
    told = _descriptions(kind)
    found = []
    if dataclasses.is_dataclass(kind):
        for each in dataclasses.fields(kind):
            if INTERNAL.items() <= each.metadata.items():
                continue
            default = each.default
            if default is dataclasses.MISSING:
                made = each.default_factory
                default = NODEFAULT if made is dataclasses.MISSING else made()
            found.append((each.name, default))
    else:
        assert issubclass(kind, msgspec.Struct)
        found = [(each.name, each.default) for each in msgspec.structs.fields(kind)]
    return tuple(Member(name, hints[name], value, told.get(name, "")) for name, value in found)


def tag_of(kind: type) -> str | None:
    """What a tagged value says of its kind; ``None`` for an untagged type."""
    if not issubclass(kind, msgspec.Struct):
        return None
    tag = kind.__struct_config__.tag
    assert tag is None or isinstance(tag, str)
    return tag


def public_name(kind: type) -> str:
    """What clients know a type as."""
    return _PUBLIC_NAMES.get(kind, kind.__name__)


def kinds_of(union: Any) -> tuple[type, ...]:
    """The types of a union, in their order."""
    return get_args(union)


def is_object(kind: Any) -> bool:
    """Whether a type has members."""
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)
    )


def is_bytes(hint: Any) -> bool:
    """Whether a type is that of bytes, whatever is annotated."""
    return plain(hint)[0] is bytes


def plain(hint: Any) -> tuple[Any, Meta | None]:
    """A type without its annotation, and the bounds that were annotated."""
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *notes = get_args(hint)
    return kind, next((note for note in notes if isinstance(note, Meta)), None)


def optional(hint: Any) -> tuple[Any, bool]:
    """A type without ``None``, and whether it may be that."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    others = [kind for kind in kinds if kind is not NoneType]
    return (others[0] if len(others) == 1 else hint), len(others) < len(kinds)


def bare(hint: Any) -> Any:
    """A type without its annotations and without ``None``."""
    kind, _ = optional(plain(hint)[0])
    return plain(kind)[0]


def item_of(hint: Any) -> Any:
    """The type of the items of a ``tuple[X, ...]``; ``None`` for any other type."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def value_of(hint: Any) -> Any:
    """The type of the values of a ``Mapping[str, X]``; ``None`` for any other type."""
    return get_args(hint)[1] if get_origin(hint) is Mapping else None


def summary_of(kind: type) -> str:
    """The first paragraph of a type's docstring."""
    text = inspect.getdoc(kind) or ""
    return _in_words_of_json(text.partition("\n\n")[0])


def _descriptions(kind: type) -> dict[str, str]:
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    section = section.partition("\n\n")[0]
    found = {}
    for names, text in _ATTRIBUTE.findall(section):
        for name in names.split(", "):
            found[name] = _in_words_of_json(text).rstrip(".")
    return found


def _in_words_of_json(text: str) -> str:
    return " ".join(text.split()).replace("``None``", "`null`").replace("``", "`")
