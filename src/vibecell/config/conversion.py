"""A value from text or a table, as its field's type.

Owns the one way from what a variable, a file or another process of ours says
to a value; it follows from the type alone. Refuses what cannot be read, without
repeating it: it may be a key. What a value must keep is ``rules.py``'s.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from vibecell.config.rules import MaybeEmpty, set_type, types_of

_T = TypeVar("_T")


class WrongMember(ValueError):
    """One member of a table is wrong.

    Attributes:
        member: its name.
    """

    def __init__(self, member: str, text: str) -> None:
        super().__init__(f"{member} {text}")
        self.member = member
        self.text = text


def convert(kind: Any, value: object, base: object = None) -> object:
    """Read a value.

    Args:
        kind: the type of its field, rules included.
        value: text, or what TOML or JSON makes of it.
        base: has the members that a table leaves out; ``None`` is a new one of the type.

    Raises:
        ValueError: it is no such value; a ``WrongMember`` names where in a table.
        NotImplementedError: no value of that type can be read.
    """
    if get_origin(kind) is Annotated and kind not in _READERS:
        kind = kind.__origin__
    if kind in _READERS:
        return _READERS[kind](value)
    if get_origin(kind) is Literal:
        return _text(value)  # whether it is one of them is a rule
    if where_set := set_type(kind):
        return None if value in (None, "", "auto") else convert(where_set, value)
    if get_origin(kind) is Mapping:
        return _mapping(get_args(kind)[1], value)
    if isinstance(kind, type) and is_dataclass(kind):
        return members(kind() if base is None else base, value)
    raise NotImplementedError(f"a setting of the type {kind}")


def members(base: _T, table: object) -> _T:
    """A dataclass with those of its members that a table has.

    Raises:
        WrongMember: the table has one that is unknown or cannot be read.
        ValueError: it is no table.
    """
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    kinds = types_of(type(base))
    if unknown := sorted(set(table) - set(kinds)):
        raise WrongMember(unknown[0], "unknown setting")
    values: dict[str, Any] = {}
    for name, value in table.items():
        try:
            values[name] = convert(kinds[name], value, getattr(base, name))
        except ValueError as error:
            raise WrongMember(name, str(error)) from error
    return replace(base, **values)  # type: ignore[type-var]


def _mapping(kind: Any, value: object) -> Mapping[str, object]:
    """A table of a file, or in a variable the same as JSON."""
    table = _json(value) if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    values = {}
    for name, member in table.items():
        try:
            values[name] = convert(kind, member)
        except WrongMember as error:
            raise ValueError(f"{name}.{error.member}: {error.text}") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return MappingProxyType(values)


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_named_once)
    except WrongMember:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError("must be a table, in a variable as JSON") from error


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for name, value in pairs:
        if name in table:  # for which a file is refused as well
            raise WrongMember(name, "is there twice")
        table[name] = value
    return table


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _maybe_empty(value: object) -> str:
    return "" if value == "" else _text(value)


def _path(value: object) -> Path:
    try:
        path = Path(_text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError("names somebody's home, who is not known or has none") from error
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError("must be an absolute path")
    return path


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number")
    if isinstance(value, str) and "_" in value:  # which is Python's affair
        raise ValueError("must be a whole number")
    try:
        return int(value)
    except ValueError as error:
        raise ValueError("must be a whole number") from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a number") from error
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true or false")


def _tristate(value: object) -> bool | None:
    if value is None or (isinstance(value, str) and value.lower() == "auto"):
        return None
    try:
        return _switch(value)
    except ValueError as error:
        raise ValueError("must be true, false or auto") from error


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(text.strip() for text in value.split(",") if text.strip())
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise ValueError("must be a list of texts")


_READERS: Mapping[Any, Callable[[object], object]] = {
    bool: _switch,
    bool | None: _tristate,
    int: _integer,
    float: _number,
    str: _text,
    MaybeEmpty: _maybe_empty,
    Path: _path,
    tuple[str, ...]: _texts,
}
