"""What an operator may set, and the only reader of the environment.

Owns ``Settings`` and where its values come from: ``VIBECELL_*`` variables over
``vibecell.toml`` over defaults. Refuses a name it does not know, a value it
cannot read, and a deployment open to the network without keys.
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Literal

from vibecell.model.access import DEFAULT_ACCESS, Access
from vibecell.model.errors import InvalidRequest, VibecellError
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, MIB, Limits

PREFIX = "VIBECELL_"
BACKENDS = ("bubblewrap", "fake")
MIN_API_KEY_CHARACTERS = 16
MAX_BODY_LIMIT_BYTES = 5 * MIB  # an engine call holds 8 MiB, and base64 adds a third
_TABLES: dict[str, type[Limits] | type[Access]] = {
    "limits": Limits,
    "ceiling": Limits,
    "gateway": Access,
}


class ConfigError(VibecellError):
    """The settings cannot be used; the message names each wrong one."""


def _default_max_concurrent() -> int:
    return max(4, 2 * (os.cpu_count() or 1))


def _default_max_idle() -> int:
    return max(16, 4 * (os.cpu_count() or 1))


def _default_parallel() -> int:
    # making a cell waits for the kernel in between: two per processor leave less of it idle
    return 2 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator decides.

    Attributes:
        host, port: where the gateway listens.
        state_dir: holds what set-up built (the runtime image).
        run_dir: holds the sockets; private to the service.
        backend: which outer wall.
        wall: ``shared`` or ``fresh`` outer walls; see the architecture.
        limits: of a request that asks for none.
        ceiling: above which no request may ask.
        gateway: how much it grants its clients.
        max_concurrent: executions running at once.
        queue_size: executions that may wait for their turn.
        max_per_owner: executions, running and waiting, that one API key may
            have; lower it below the queue's size where several keys compete.
        pool_min_idle: warm cells kept waiting per profile, used or not.
        pool_max_idle: warm cells kept waiting at most, in all profiles
            together; the ``pool_min_idle`` of each come first.
        pool_parallel: warm cells being made at once, in all profiles together.
        zygote_max_forks, zygote_max_age_s: when a zygote is replaced, so that
            its address layout and hash seed are not for ever.
        program_path: where bubblewrap is looked for, as PATH.
        api_keys: accepted keys; empty means that none is needed.
        cell_cpus: processors one cell may use.
        uid_base: first of the host uids that cells run under, where root.
        gateway_uid: user the gateway runs as, where root.
        result_ttl_s: how long a finished execution can be read.
        body_limit_bytes: of one HTTP request body.
        event_log_bytes: for the event logs of all executions together, in
            memory and, what exceeds a 256th of it, in files in ``run_dir``.
        trace: note when each step of an execution was done, for ``vibecell trace``.
        require_cgroups: ``True`` refuses to start without them, ``False``
            never uses them, ``None`` uses them where the host lets us.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    state_dir: Path = Path()
    run_dir: Path = Path()
    backend: str = "bubblewrap"
    wall: Literal["shared", "fresh"] = "shared"
    limits: Limits = DEFAULT_LIMITS
    ceiling: Limits = DEFAULT_CEILING
    gateway: Access = DEFAULT_ACCESS
    max_concurrent: int = field(default_factory=_default_max_concurrent)
    queue_size: int = 256
    max_per_owner: int = 1024
    pool_min_idle: int = 2
    pool_max_idle: int = field(default_factory=_default_max_idle)
    pool_parallel: int = field(default_factory=_default_parallel)
    zygote_max_forks: int = 2_000
    zygote_max_age_s: float = 1_800.0
    program_path: str = "/usr/local/bin:/usr/bin:/bin"
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    cell_cpus: float = 1.0
    uid_base: int = 1_900_000_000
    gateway_uid: int = 65534
    result_ttl_s: float = 300.0
    body_limit_bytes: int = 2 * MIB
    event_log_bytes: int = 256 * MIB
    trace: bool = False
    require_cgroups: bool | None = None

    def __post_init__(self) -> None:
        wrong = list(_problems(self))
        if wrong:
            raise ConfigError("; ".join(wrong))

    @property
    def engine_socket(self) -> Path:
        """Where the engine listens."""
        return self.run_dir / "engine.sock"


def load(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: the process environment; only ``VIBECELL_*`` names are read,
            and what tells the default directories.
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
    values: dict[str, object] = {"state_dir": state_dir, "run_dir": run_dir}
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


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    A name other than ``localhost`` is not looked up and counts as reachable.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problems(settings: Settings) -> list[str]:
    wrong = []
    at_least = {
        "max_concurrent": 1,
        "queue_size": 0,
        "max_per_owner": 1,
        "pool_min_idle": 0,
        "pool_max_idle": 0,
        "pool_parallel": 1,
        "body_limit_bytes": 1,
        "event_log_bytes": MIB,
        "uid_base": 100_000,
        "gateway_uid": 1,
    }
    if settings.body_limit_bytes > MAX_BODY_LIMIT_BYTES:
        wrong.append(f"body_limit_bytes: must be at most {MAX_BODY_LIMIT_BYTES}")
    for name, least in at_least.items():
        if getattr(settings, name) < least:
            wrong.append(f"{name}: must be at least {least}")
    if not 0 <= settings.port <= 65535:
        wrong.append("port: must be 0 to 65535")
    if settings.pool_max_idle < settings.pool_min_idle:
        wrong.append("pool_max_idle: must be at least pool_min_idle")
    if settings.backend not in BACKENDS:
        wrong.append(f"backend: must be one of {', '.join(BACKENDS)}")
    if settings.wall not in ("shared", "fresh"):
        wrong.append("wall: must be shared or fresh")
    if not 0 < settings.cell_cpus <= 1024:
        wrong.append("cell_cpus: must be above 0")
    if not 0 < settings.result_ttl_s <= 86_400:
        wrong.append("result_ttl_s: must be above 0 and at most 86400")
    if any(not _is_api_key(key) for key in settings.api_keys):
        wrong.append(
            f"api_keys: each must have at least {MIN_API_KEY_CHARACTERS} printable "
            "ASCII characters and no blank"
        )
    if not settings.api_keys and not is_loopback(settings.host):
        wrong.append("host: an address that others can reach needs api_keys")
    try:
        settings.limits.require_within(settings.ceiling)
    except InvalidRequest as error:
        wrong.extend(f"{p.path}: {p.message}, its ceiling" for p in error.problems)
    return wrong


def _is_api_key(key: str) -> bool:
    return len(key) >= MIN_API_KEY_CHARACTERS and all("!" <= c <= "~" for c in key)


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
    if name == "trace":
        return _switch(value)
    if name == "api_keys":
        return _texts(value)
    if name in ("host", "backend", "wall", "program_path"):
        return _text(value)
    return _integer(value)


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
