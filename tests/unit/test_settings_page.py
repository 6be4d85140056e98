"""The page of the settings says what there is, and the defaults that they have."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vibecell.config.settings import Place, Settings
from vibecell.model.access import DEFAULT_ACCESS, Access
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, Limits

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
BYTES = {None: 1, "MiB": 2**20, "GiB": 2**30}
HOST_DECIDES = ["state_dir", "run_dir", "docker_host"]
HOST_DECIDES += ["max_concurrent", "max_parked", "pool_max_idle", "pool_parallel"]
IN_WORDS = [*HOST_DECIDES, "wall", "runtime", "images", "limits", "ceiling"]
IN_NUMBERS = [f.name for f in fields(Settings) if f.name not in (*IN_WORDS, "gateway")]


def rows() -> Mapping[str, list[str]]:
    """Name of each row of each table to its other cells."""
    lines = (line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`[]"): cells[1:] for cells in lines}


def as_told(default: object, cell: str) -> bool:
    """Whether a cell tells this default."""
    text = cell.strip("` ")
    if text == "none":
        return default in ((), {}, None)
    if text == "auto":
        return default in (None, text)
    if text in ("true", "false"):
        return default is (text == "true")
    number = re.fullmatch(r"(\d[\d ]*(?:\.\d+)?)(?: (MiB|GiB))?", text)
    if number:
        return default == float(number[1].replace(" ", "")) * BYTES[number[2]]
    return text == str(default)


@pytest.mark.parametrize("name", IN_NUMBERS)
def test_each_default_is_told(name: str) -> None:
    assert as_told(getattr(Settings(), name), rows()[name][0])


@pytest.mark.parametrize("name", [f.name for f in fields(Access)])
def test_what_the_gateway_grants_is_told(name: str) -> None:
    assert as_told(getattr(DEFAULT_ACCESS, name), rows()[name][0])


@pytest.mark.parametrize("name", [f.name for f in fields(Limits)])
def test_the_limits_are_told(name: str) -> None:
    limits, ceiling, _ = rows()[name]
    assert as_told(getattr(DEFAULT_LIMITS, name), limits)
    assert as_told(getattr(DEFAULT_CEILING, name), ceiling)


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_default_that_the_host_decides_is_told_in_words(name: str) -> None:
    assert re.search("[a-z]{3}", rows()[name][0])


def test_no_row_is_left_of_what_is_gone() -> None:
    known = {f.name for kind in (Settings, Access, Limits) for f in fields(kind)}
    assert set(rows()) - known == set()


@pytest.mark.parametrize("kind", [Settings, Place, Access, Limits])
def test_every_setting_is_explained_where_it_stands(kind: Any) -> None:
    attributes, _, _ = (inspect.getdoc(kind) or "").partition("Raises:")
    lines = re.findall(r"^    ([\w, ]+): ", attributes, re.MULTILINE)
    explained = {name for line in lines for name in line.split(", ")}
    assert {f.name for f in fields(kind)} == explained
