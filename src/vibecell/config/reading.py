"""Where settings come from: the only reader of the environment.

Owns the order (``VIBECELL_*`` variables over ``vibecell.toml`` over defaults) and
the way from text or TOML to a value of the right type; refuses a name it does not
know and a value it cannot read. What values mean together is ``settings.py``'s.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vibecell.config.settings import (
    DEFAULT_DOCKER_HOST,
    ConfigError,
    Place,
    Settings,
)
from vibecell.model.access import Access
from vibecell.model.errors import InvalidRequest
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, Limits

PREFIX = "VIBECELL_"
_TABLES: dict[str, type[Limits] | type[Access]] = {
    "limits": Limits,
    "ceiling": Limits,
    "gateway": Access,
}


def load(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: the process environment; only ``VIBECELL_*`` names are read,
            and what tells the default directories and the Docker engine.
        toml_path: a file to read; ``None`` is ``VIBECELL_CONFIG`` or
            ``vibecell.toml`` in the working directory, if there is one.

    Raises:
        ConfigError: names each setting that is unknown or wrong.
    """
    given = {k: v for k, v in environ.items() if k.startswith(PREFIX)}
    named = given.pop(f"{PREFIX}CONFIG", None)
    raw = _from_toml(_toml_path(toml_path, named))
    raw.update(_from_environ(given))
    state_dir, run_dir = _default_directories(environ)
    values: dict[str, object] = {
        "state_dir": state_dir,
        "run_dir": run_dir,
        "docker_host": environ.get("DOCKER_HOST") or DEFAULT_DOCKER_HOST,
    }
    wrong = []
    for name, value in raw.items():
        try:
            values[name] = _convert(name, value)
        except (ValueError, TypeError) as error:
            wrong.append(f"{name}: {error}")
        except InvalidRequest as error:
            wrong.extend(f"{name}: {p.path} {p.message}" for p in error.problems)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return Settings(**values)  # type: ignore[arg-type]


def _default_directories(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """State and run directories by the XDG base directories, or as root by the FHS.

    Source: XDG Base Directory Specification 0.8; FHS 3.0 sections 3.15 and 5.8.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/vibecell"), Path("/run/vibecell")
    home = Path(environ.get("HOME") or Path.home())
    state = _absolute(environ.get("XDG_STATE_HOME")) or home / ".local" / "state"
    runtime = _absolute(environ.get("XDG_RUNTIME_DIR"))
    run_dir = runtime / "vibecell" if runtime else state / "vibecell" / "run"
    return state / "vibecell", run_dir


def _absolute(text: str | None) -> Path | None:
    return Path(text) if text and text.startswith("/") else None


def _toml_path(given: Path | None, named: str | None) -> Path | None:
    if given is not None:
        return given
    if named:
        return Path(named)
    here = Path("vibecell.toml")
    return here if here.is_file() else None


def _from_toml(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    unknown = sorted(set(table) - {f.name for f in fields(Settings)})
    if unknown:
        raise ConfigError("; ".join(f"{path}: {name}: unknown setting" for name in unknown))
    for name, kind in _TABLES.items():
        _check_names(table.get(name, {}), kind, f"{path}: {name}")
    return table


def _from_environ(given: Mapping[str, str]) -> dict[str, object]:
    """``VIBECELL_PORT=9000``, ``VIBECELL_LIMITS__WALL_TIME_MS=5000``."""
    names = {f.name for f in fields(Settings)}
    members = {name: {f.name for f in fields(kind)} for name, kind in _TABLES.items()}
    found: dict[str, object] = {}
    unknown = []
    for variable, text in given.items():
        name, _, member = variable.removeprefix(PREFIX).lower().partition("__")
        if member in members.get(name, ()):
            table = found.setdefault(name, {})
            assert isinstance(table, dict)
            table[member] = text
        elif name in names and name not in _TABLES and not member:
            found[name] = text
        else:
            unknown.append(variable)
    if unknown:
        raise ConfigError("; ".join(f"{name}: unknown setting" for name in sorted(unknown)))
    return found


def _check_names(table: object, kind: type[Limits] | type[Access], where: str) -> None:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: must be a table")
    unknown = sorted(set(table) - {f.name for f in fields(kind)})
    if unknown:
        raise ConfigError("; ".join(f"{where}.{name}: unknown setting" for name in unknown))


def _convert(name: str, value: object) -> object:
    """A raw value, from text or from TOML, as its field's type."""
    if name in ("state_dir", "run_dir"):
        return _path(value)
    if name == "gateway":
        assert isinstance(value, dict)
        return _access(value)
    if name in _TABLES:
        base = DEFAULT_LIMITS if name == "limits" else DEFAULT_CEILING
        assert isinstance(value, dict)
        return base.overridden(**{k: _integer(v) for k, v in value.items()})
    if name in ("cell_cpus", "result_ttl_s", "zygote_max_age_s"):
        return _number(value)
    if name == "require_cgroups":
        return _tristate(value)
    if name in ("trace", "by_request"):
        return _switch(value)
    if name == "api_keys":
        return _texts(value)
    if name == "wall":
        return None if value in (None, "", "auto") else _text(value)
    if name == "runtime":
        return "" if value == "" else _text(value)
    if name == "places":
        return MappingProxyType({k: _place(k, v) for k, v in _table(value).items()})
    if name == "images":
        return MappingProxyType({k: _image(k, v) for k, v in _table(value).items()})
    if name in ("host", "backend", "docker_host", "program_path"):
        return _text(value)
    return _integer(value)


def _table(value: object) -> dict[str, Any]:
    """A table of a file, or in a variable the same as JSON."""
    table = json.loads(value) if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    return table


def _place(name: str, value: object) -> Place:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be a table")
    unknown = sorted(set(value) - {f.name for f in fields(Place)})
    if unknown:
        raise ValueError(f"{name}.{unknown[0]}: unknown setting")
    values: dict[str, Any] = {}
    for key, member in value.items():
        try:
            values[key] = _texts(member) if key == "languages" else _convert(key, member)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}.{key}: {error}") from error
    return Place(**values)


def _image(language: str, value: object) -> str:
    try:
        return _text(value)
    except ValueError as error:
        raise ValueError(f"{language}: {error}") from error


def _access(table: dict[str, object]) -> Access:
    """The gateway's table; each value as the type of its default."""
    values: dict[str, object] = {}
    for member in fields(Access):
        if member.name not in table:
            continue
        readers = {int: _integer, float: _number, tuple: _texts}
        try:
            values[member.name] = readers[type(member.default)](table[member.name])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{member.name} {error}") from error
    return Access(**values)  # type: ignore[arg-type]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _path(value: object) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("must be a whole number")
    try:
        return int(value)
    except ValueError as error:
        raise ValueError("must be a whole number") from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("must be a number")
    try:
        return float(value)
    except ValueError as error:
        raise ValueError("must be a number") from error


def _tristate(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "false": False, "0": False, "auto": None}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true, false or auto")


def _switch(value: object) -> bool:
    chosen = _tristate(value)
    if chosen is None:
        raise ValueError("must be true or false")
    return chosen


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(key.strip() for key in value.split(",") if key.strip())
    if isinstance(value, list) and all(isinstance(key, str) for key in value):
        return tuple(value)
    raise ValueError("must be a list of texts")
