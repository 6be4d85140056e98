"""Where settings come from: the only reader of the environment.

Owns the order (``VIBECELL_*`` variables over ``vibecell.toml`` over defaults) and the
names; refuses one it does not know. How a value is read is ``conversion.py``'s, what
values mean together ``settings.py``'s.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from vibecell.config.conversion import convert
from vibecell.config.rules import types_of
from vibecell.config.settings import DEFAULT_DOCKER_HOST, ConfigError, Settings
from vibecell.model.errors import InvalidRequest

PREFIX = "VIBECELL_"
_S = TypeVar("_S", bound=Settings)


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
    return read(Settings, environ, toml_path)


def read(kind: type[_S], environ: Mapping[str, str], toml_path: Path | None = None) -> _S:
    """Read settings, or what extends them; see ``load``."""
    given = {k: v for k, v in environ.items() if k.startswith(PREFIX)}
    named = given.pop(f"{PREFIX}CONFIG", None)
    raw = _from_toml(kind, _toml_path(toml_path, named))
    raw.update(_from_environ(kind, given))
    state_dir, run_dir = _default_directories(environ)
    values: dict[str, object] = {
        "state_dir": state_dir,
        "run_dir": run_dir,
        "docker_host": environ.get("DOCKER_HOST") or DEFAULT_DOCKER_HOST,
    }
    kinds, base = types_of(kind), kind()
    wrong = []
    for name, value in raw.items():
        try:
            values[name] = convert(kinds[name], value, getattr(base, name))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
        except InvalidRequest as error:
            wrong.extend(f"{name}: {p.path} {p.message}" for p in error.problems)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return replace(base, **values)  # type: ignore[arg-type]


def _default_directories(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """State and run directories by the XDG base directories, or as root by the FHS.

    Source: XDG Base Directory Specification 0.8; FHS 3.0 sections 3.15 and 5.8.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/vibecell"), Path("/run/vibecell")
    try:
        home = _absolute(environ.get("HOME")) or Path.home()
    except RuntimeError as error:
        raise ConfigError("HOME: must be set, as this user has no home") from error
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


def _from_toml(kind: type[Settings], path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deep") from error
    _check_names(table, kind, f"{path}: ")
    for name, member in types_of(kind).items():
        if name in table and is_dataclass(member):
            if not isinstance(table[name], dict):
                raise ConfigError(f"{path}: {name}: must be a table")
            _check_names(table[name], member, f"{path}: {name}.")
    return table


def _check_names(table: Mapping[str, object], kind: Any, where: str) -> None:
    if unknown := sorted(set(table) - set(types_of(kind))):
        raise ConfigError("; ".join(f"{where}{name}: unknown setting" for name in unknown))


def _from_environ(kind: type[Settings], given: Mapping[str, str]) -> dict[str, object]:
    """``VIBECELL_PORT=9000``, ``VIBECELL_LIMITS__WALL_TIME_MS=5000``."""
    kinds = types_of(kind)
    found: dict[str, object] = {}
    unknown = []
    for variable, text in given.items():
        name, _, member = variable.removeprefix(PREFIX).lower().partition("__")
        is_table = is_dataclass(kinds.get(name))
        if is_table and member in types_of(kinds[name]):
            table = found.setdefault(name, {})
            assert isinstance(table, dict)
            table[member] = text
        elif name in kinds and not is_table and not member:
            found[name] = text
        else:
            unknown.append(variable)
    if unknown:
        raise ConfigError("; ".join(f"{name}: unknown setting" for name in sorted(unknown)))
    return found
