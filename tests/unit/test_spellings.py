"""Wherever a type says how a text is spelt, nothing may follow, a line break neither."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Meta
from pydantic import TypeAdapter, ValidationError

import vibecell
from vibecell.model.caller import Owner, User
from vibecell.model.names import EXECUTION_ID, KEY_ID, ExecutionId, KeyId
from vibecell.wire.bodies import judged_type

ROOMS = ("model", "sharing", "wire", "gateway.identity", "engine")


def spellings() -> dict[str, str]:
    """Every pattern that a text must match, by where it is said."""
    found: dict[str, str] = {}
    for room in ROOMS:
        package = importlib.import_module(f"vibecell.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"vibecell.{room}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                where = f"{module.name}.{name}".removeprefix(vibecell.__name__ + ".")
                for pattern in patterns_in(value):
                    found[where] = pattern
    return found


def patterns_in(value: Any) -> Iterator[str]:
    """Those of a type, or of the members of one of ours."""
    if isinstance(value, Meta):
        if value.pattern is not None:
            yield value.pattern
    elif isinstance(value, type):
        if dataclasses.is_dataclass(value) or issubclass(value, msgspec.Struct):
            for hint in get_type_hints(value, include_extras=True).values():
                if not isinstance(hint, type):
                    yield from patterns_in(hint)
    elif get_origin(value) is not None:
        for part in get_args(value):
            if not isinstance(part, type):
                yield from patterns_in(part)


SPELLINGS = spellings()


def test_all_are_looked_at() -> None:
    wheres = {
        "model.names.KeyId",
        "model.caller.User",
        "model.status.Selection",
        "sharing.keys.Key",
    }
    assert wheres | {"wire.link.AttachCall", "gateway.identity.tokens._Claims"} <= set(SPELLINGS)


@pytest.mark.parametrize("pattern", sorted(set(SPELLINGS.values())))
@pytest.mark.parametrize("tail", ["\n", "\r\n", "\n\n", "\na", "\0"])
def test_nothing_follows_a_text_that_is_spelt_right(pattern: str, tail: str) -> None:
    kind: Any = Annotated[str, Meta(pattern=pattern)]
    judge = TypeAdapter(judged_type(kind))
    assert msgspec.convert("a1", kind) == judge.validate_python("a1") == "a1"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("a1" + tail, kind)
    with pytest.raises(ValidationError):
        judge.validate_python("a1" + tail)


@pytest.mark.parametrize("pattern", sorted(set(SPELLINGS.values())))
def test_what_clients_are_told_needs_no_looking_ahead(pattern: str) -> None:
    """Not every validator knows that. Source: JSON Schema 2020-12, section 6.4."""
    told = TypeAdapter(judged_type(Annotated[str, Meta(pattern=pattern)])).json_schema()["pattern"]
    assert re.fullmatch(r"\^[^$]+\$", told) and "(?" not in told
    assert pattern.startswith(told)


@pytest.mark.parametrize("made", [("bob\n", User), ("key\n", KeyId), ("id\n", ExecutionId)])
def test_a_name_is_one_line(made: tuple[str, Any]) -> None:
    text, kind = made
    assert msgspec.convert(text[:-1], kind) == text[:-1]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, kind)


def test_an_owner_who_was_kept_is_one_line_too() -> None:
    assert msgspec.convert({"key": "k", "user": "ann"}, Owner) == Owner("k", "ann")
    for wrong in ({"key": "k\n"}, {"key": "k", "user": "ann\n"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Owner)


@pytest.mark.parametrize(("pattern", "kind"), [(EXECUTION_ID, ExecutionId), (KEY_ID, KeyId)])
@pytest.mark.parametrize("text", ["", "a", "a" * 64, "a" * 65, "a\n", "a_", "a-", "ä", "a/b", "٣"])
def test_a_pattern_and_its_type_say_the_same(
    pattern: re.Pattern[str], kind: Any, text: str
) -> None:
    try:
        converted = msgspec.convert(text, kind) == text
    except msgspec.ValidationError:
        converted = False
    assert converted == bool(pattern.match(text))
