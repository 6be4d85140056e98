"""A setting is its line in ``Settings``: whatever has a type that is known there works."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import pytest

from vibecell.config.conversion import convert
from vibecell.config.handover import pack, unpack
from vibecell.config.reading import read
from vibecell.config.rules import MaybeEmpty, Rule, at_least, at_most, types_of
from vibecell.config.settings import ConfigError, Place, Settings
from vibecell.model.access import Access
from vibecell.model.limits import Limits

DEVNULL = Path(os.devnull)
_EVEN = Rule(lambda number: number % 2 == 0, "must be even")


@dataclass(frozen=True, slots=True)
class Tide:
    """A table."""

    height_m: float = 1.5
    names: tuple[str, ...] = ()
    side: Literal["left", "right"] | None = None


@dataclass(frozen=True, slots=True)
class Made(Settings):
    """A setting more of each kind of type."""

    switch: bool = False
    tristate: bool | None = True
    count: Annotated[int, at_least(3), at_most(9)] = 3
    even: Annotated[int, _EVEN] | None = 4
    share: float = 0.5
    word: str = "a"
    blank: MaybeEmpty = "a"
    folder: Path = Path("/")
    choice: Literal["red", "green", "blue"] = "red"
    choice_or_none: Literal["red", "green"] | None = "red"
    names: tuple[str, ...] = ()
    tide: Tide = Tide(names=("spring",))
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tides: Mapping[str, Tide] = field(default_factory=lambda: MappingProxyType({}))


SAID = [
    ("switch", "true", "true", True),
    ("tristate", "auto", '"auto"', None),
    ("tristate", "0", "false", False),
    ("count", "5", "5", 5),
    ("even", "6", "6", 6),
    ("even", "auto", '"auto"', None),
    ("share", "0.25", "0.25", 0.25),
    ("share", "2", "2", 2.0),
    ("word", "b", '"b"', "b"),
    ("blank", "", '""', ""),
    ("folder", "/x", '"/x"', Path("/x")),
    ("choice", "green", '"green"', "green"),
    ("choice_or_none", "", '""', None),
    ("choice_or_none", "green", '"green"', "green"),
    ("names", "x, y", '["x", "y"]', ("x", "y")),
    ("words", '{"x": "y"}', '{x = "y"}', {"x": "y"}),
    (
        "tides",
        '{"x": {"side": "left", "names": ["a", "b"]}}',
        '{x = {side = "left", names = ["a", "b"]}}',
        {"x": Tide(names=("a", "b"), side="left")},
    ),
]
WRONG = [
    ("switch", "auto", "2", "switch: must be true or false"),
    ("tristate", "2", "2", "tristate: must be true, false or auto"),
    ("count", "x", "true", "count: must be a whole number"),
    ("count", "2", "2", "count: must be at least 3"),
    ("count", "10", "10", "count: must be at most 9"),
    ("even", "5", "5", "even: must be even"),
    ("even", "x", "1.0", "even: must be a whole number"),
    ("share", "x", "true", "share: must be a number"),
    ("share", "inf", "inf", "share: must be a finite number"),
    ("share", "nan", "nan", "share: must be a finite number"),
    ("word", "", "3", "word: must be text"),
    ("blank", None, "3", "blank: must be text"),
    ("folder", "x", '"x"', "folder: must be an absolute path"),
    ("choice", "grey", '"grey"', "choice: must be red, green or blue"),
    ("choice", "", "3", "choice: must be text"),
    ("choice_or_none", "grey", '"grey"', "choice_or_none: must be red or green"),
    ("names", None, "[1]", "names: must be a list of texts"),
    ("words", "[]", "[]", "words: must be a table"),
    ("words", '{"x": 1}', "{x = 1}", "words: x: must be text"),
    ("tides", '{"x": 1}', "{x = 1}", "tides: x: must be a table"),
    ("tides", '{"x": {"y": 1}}', "{x = {y = 1}}", "tides: x.y: unknown setting"),
    ("tides", '{"x": {"names": 1}}', "{x = {names = 1}}", "tides: x.names: must be a list"),
    (
        "tides",
        '{"x": {"side": "up"}}',
        '{x = {side = "up"}}',
        "tides.x.side: must be left or right",
    ),
]


def from_variable(name: str, text: str) -> Made:
    return read(Made, {f"VIBECELL_{name.upper()}": text}, DEVNULL)


def from_file(folder: Path, text: str) -> Made:
    path = folder / "vibecell.toml"
    path.write_text(text)
    return read(Made, {}, path)


@pytest.mark.parametrize(("name", "text", "toml", "value"), SAID)
def test_it_is_read(tmp_path: Path, name: str, text: str, toml: str, value: object) -> None:
    assert getattr(from_variable(name, text), name) == value
    assert getattr(from_file(tmp_path, f"{name} = {toml}"), name) == value


@pytest.mark.parametrize(("name", "text", "toml", "value"), SAID)
def test_it_reaches_a_child(name: str, text: str, toml: str, value: object) -> None:
    said = from_variable(name, text)
    told = unpack(pack(said), Made)
    assert told == said
    assert getattr(told, name) == value
    assert type(getattr(told, name)) is type(getattr(said, name))


def test_a_child_is_told_texts_whatever_is_in_them(tmp_path: Path) -> None:
    said = from_file(tmp_path, 'names = ["a,b", " c", ""]\nblank = "auto"')
    assert (said.names, said.blank) == (("a,b", " c", ""), "auto")
    assert unpack(pack(said), Made) == said


@pytest.mark.parametrize(("name", "text", "toml", "said"), WRONG)
def test_it_is_refused(tmp_path: Path, name: str, text: str | None, toml: str, said: str) -> None:
    if text is not None:
        with pytest.raises(ConfigError) as from_environ:
            from_variable(name, text)
        assert str(from_environ.value).startswith(said)
    with pytest.raises(ConfigError) as from_toml:
        from_file(tmp_path, f"{name} = {toml}")
    assert str(from_toml.value).startswith(said)


def test_a_table_keeps_its_defaults_and_names_what_is_wrong_in_it(tmp_path: Path) -> None:
    spring = ("spring",)
    assert from_variable("tide__height_m", "2").tide == Tide(2.0, spring)
    assert from_file(tmp_path, "[tide]\nheight_m = 2").tide == Tide(2.0, spring)
    with pytest.raises(ConfigError, match="tide: height_m must be a number"):
        from_variable("tide__height_m", "x")
    with pytest.raises(ConfigError, match="VIBECELL_TIDE__DEPTH_M: unknown setting"):
        from_variable("tide__depth_m", "1")
    with pytest.raises(ConfigError, match=r"tide\.depth_m: unknown setting"):
        from_file(tmp_path, "[tide]\ndepth_m = 1")
    with pytest.raises(ConfigError, match="tide: must be a table"):
        from_file(tmp_path, "tide = 1")
    with pytest.raises(ConfigError, match=r"tide\.side: must be left or right"):
        from_file(tmp_path, '[tide]\nside = "up"')


def test_it_is_judged_where_it_is_built_by_hand() -> None:
    with pytest.raises(ConfigError, match="count: must be at least 3; choice: must be red, "):
        Made(count=1, choice="grey")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Settings, Place, Access, Limits])
def test_every_type_of_a_setting_can_be_read(kind: type) -> None:
    for value in types_of(kind).values():
        try:
            convert(value, object())
        except ValueError:
            continue
        pytest.fail(f"{value} takes anything")


def test_no_value_is_repeated_in_what_is_said(tmp_path: Path) -> None:
    secret = "s3cret-of-somebody"
    for member in fields(Made):
        for toml in (f'{member.name} = "{secret}"', f'{member.name} = ["{secret}", 1]'):
            try:
                from_file(tmp_path, toml)
            except ConfigError as error:
                assert secret not in str(error)
