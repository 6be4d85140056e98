"""What an operator may set.

Owns ``Settings``, its defaults, what each value must keep and what makes sense
together; tells a deployment that is open to the network without keys. A setting is its
line here: it is read, judged and handed to the children by its type. Where values
come from is ``reading.py``'s.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlsplit

from vibecell.config.rules import MaybeEmpty, Rule, above, at_least, at_most, broken
from vibecell.model.access import DEFAULT_ACCESS, Access, Anonymous
from vibecell.model.capabilities import Wall
from vibecell.model.errors import InvalidRequest, VibecellError
from vibecell.model.identity_provider import IdentityProvider
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, MIB, Limits
from vibecell.model.listening_places import MAX_SOCKET_PATH_BYTES, is_listening_place
from vibecell.model.loopback import is_loopback

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]
BACKENDS = ("bubblewrap", "docker", "fake")
DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock"
DEFAULT_BASE_IMAGE = "python:3-slim"  # what runtime images of containers are built on
MIN_API_KEY_CHARACTERS = 16
MIN_SERVER_SECRET_CHARACTERS = 32
MAX_SERVER_SECRETS = 8
NOBODY = 65534  # who owns what nobody does, and whom many services run as
MAX_BODY_LIMIT_BYTES = 5 * MIB  # an engine call holds 8 MiB, and base64 adds a third
HIGHEST_UID = 2**32 - 2  # the one above it means nobody's; source: setresuid(2)
UIDS = 1024 * 1024  # of all blocks that are taken above the base
_DEFAULT_WALLS: Mapping[str, Wall] = {"docker": "fresh"}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_NAME_RULE = "must be a-z, 0-9 and -, at most 32, a letter first"


class ConfigError(VibecellError):
    """The settings cannot be used; the message names each wrong one."""


def _is_api_key(key: str) -> bool:
    return len(key) >= MIN_API_KEY_CHARACTERS and all("!" <= c <= "~" for c in key)


def is_server_secret(text: str) -> bool:
    """Whether a text is long enough to be one, and printable ASCII without a blank."""
    return len(text) >= MIN_SERVER_SECRET_CHARACTERS and all("!" <= c <= "~" for c in text)


_PORT = Rule(lambda port: 0 <= port <= 65535, "must be 0 to 65535")
_CELL_CPUS = Rule(lambda cpus: 0 < cpus <= 1024, "must be above 0")
_RESULT_TTL_S = Rule(lambda ttl_s: 0 < ttl_s <= 86_400, "must be above 0 and at most 86400")
_API_KEYS = Rule(
    lambda keys: all(map(_is_api_key, keys)),
    f"each must have at least {MIN_API_KEY_CHARACTERS} printable ASCII characters and no blank",
)
_SERVER_SECRETS = Rule(
    lambda texts: len(texts) <= MAX_SERVER_SECRETS and all(map(is_server_secret, texts)),
    f"at most {MAX_SERVER_SECRETS}, and each must have at least {MIN_SERVER_SECRET_CHARACTERS} "
    "printable ASCII characters and no blank",
)
_METRICS_LISTEN = Rule(
    lambda text: is_listening_place(text),
    "must be host:port (127.0.0.1:9464, [::1]:9464), or an absolute path of at most "
    f"{MAX_SOCKET_PATH_BYTES} bytes",
)
_GATEWAY_UID = Rule(lambda uid: uid != NOBODY, f"must not be {NOBODY}, which is not its alone")


def _default_max_concurrent() -> int:
    return max(4, 2 * (os.cpu_count() or 1))


def _default_max_parked() -> int:
    # half the memory, as far as programs use what they may
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(4, min(256, memory_bytes // 2 // DEFAULT_LIMITS.memory_bytes))


def _default_max_idle() -> int:
    return max(16, 4 * (os.cpu_count() or 1))


def _default_parallel() -> int:
    # making a cell waits for the kernel in between: two per processor leave less of it idle
    return 2 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of wall that a deployment offers.

    Attributes:
        backend: which outer wall.
        wall: ``None`` is the backend's own: ``fresh`` for Docker, else ``shared``.
        runtime: OCI runtime of containers; empty is the Docker engine's default.
        languages: whose executions come here where a request names no class.
        by_request: whether a request may name it as its class; whoever has a key may
            then, so a place that is not fit for all of them has it off.
    """

    backend: str = "bubblewrap"
    wall: Wall | None = None
    runtime: MaybeEmpty = ""
    languages: tuple[str, ...] = ()
    by_request: bool = True

    @property
    def chosen_wall(self) -> Wall:
        """The wall, whether it was named or not."""
        return self.wall or _DEFAULT_WALLS.get(self.backend, "shared")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator decides.

    Attributes:
        host, port: where the gateway listens.
        state_dir: holds what set-up built (the runtime image).
        run_dir: holds the sockets; private to the service.
        backend: which outer wall.
        wall: ``shared`` or ``fresh`` outer walls; see the architecture.
        runtime: OCI runtime of containers; empty is the Docker engine's default.
        places: further backends and walls, by the name under which a request
            asks for one as its ``request_class``.
        images: language to the name of its runtime image in containers.
        docker_host: the Docker engine's Unix socket, as ``unix:///…``.
        limits: of a request that asks for none.
        ceiling: above which no request may ask.
        gateway: how much it grants its clients.
        max_concurrent: executions running at once.
        queue_size: executions of one user that may wait for their turn when nobody else
            waits; there is a quarter more for other users of the key, and again for other keys.
        max_parked: interactive executions that have given their place back while they wait
            for input, or have gone on beside the places; 0: none gives his back.
        max_per_owner: executions, running and waiting, that one key may have, all its users
            together, whatever it was granted.
        pool_min_idle: warm cells kept waiting per profile, used or not.
        pool_max_idle: warm cells kept waiting at most, in all profiles
            together; the ``pool_min_idle`` of each come first.
        pool_parallel: warm cells being made at once, in all profiles together.
        zygote_max_forks, zygote_max_age_s: when a zygote is replaced, so that
            its address layout and hash seed are not for ever.
        program_path: where bubblewrap is looked for, as PATH.
        identity_providers: whose users are served as well, by a name for each.
        api_keys: accepted keys, beside those that ``vibecell keys`` made.
        server_secrets: what keys are hashed by and tokens signed with, the one in use first.
            Without any the service has its own, in ``state_dir``.
        server_secret_file: has them, a line each.
        anonymous: who is served without a key.
        metrics_listen: where metrics are read, and nothing else: ``host:port``, or the absolute
            path of a Unix socket. ``None``: nowhere but where the gateway listens.
        cell_cpus: processors one cell may use.
        uid_base: first of the host uids that cells run under, where root.
        gateway_uid: user the gateway runs as, where root.
        courier_uid: user that fetches what identity providers publish, where root.
        result_ttl_s: how long a finished execution can be read.
        body_limit_bytes: of one HTTP request body.
        event_log_bytes: for the event logs of all executions together, in
            memory and, what exceeds a 256th of it, in files in ``run_dir``.
        keep_usage: keep what each key and user has used of a day in ``state_dir``, so that a new
            engine knows it.
        audit: keep who ran what in ``state_dir``, and what happened to keys.
        audit_days: for which it is kept.
        audit_bytes: of each of its two files.
        audit_required: do nothing that could not be audited.
        trace: note when each step of an execution was done, for ``vibecell trace``.
        log_format: of what the service says on its standard streams; ``None``: ``text`` where
            that is a terminal, else ``json``.
        log_level: the least of what is logged.
        require_cgroups: ``True`` refuses to start without them, ``False``
            never uses them, ``None`` uses them where the host lets us.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, _PORT] = 8000
    state_dir: Path = Path()
    run_dir: Path = Path()
    backend: str = "bubblewrap"
    wall: Wall | None = None
    runtime: MaybeEmpty = ""
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    docker_host: str = DEFAULT_DOCKER_HOST
    limits: Limits = DEFAULT_LIMITS
    ceiling: Limits = DEFAULT_CEILING
    gateway: Access = DEFAULT_ACCESS
    max_concurrent: Annotated[int, at_least(1)] = field(default_factory=_default_max_concurrent)
    queue_size: Annotated[int, at_least(0)] = 256
    max_parked: Annotated[int, at_least(0)] = field(default_factory=_default_max_parked)
    max_per_owner: Annotated[int, at_least(1)] = 1024
    pool_min_idle: Annotated[int, at_least(0)] = 2
    pool_max_idle: Annotated[int, at_least(0)] = field(default_factory=_default_max_idle)
    pool_parallel: Annotated[int, at_least(1)] = field(default_factory=_default_parallel)
    zygote_max_forks: Annotated[int, at_least(1)] = 2_000
    zygote_max_age_s: Annotated[float, above(0)] = 1_800.0
    program_path: str = "/usr/local/bin:/usr/bin:/bin"
    api_keys: Annotated[tuple[str, ...], _API_KEYS] = field(default=(), repr=False)
    identity_providers: Mapping[str, IdentityProvider] = field(
        default_factory=lambda: MappingProxyType({})
    )
    server_secrets: Annotated[tuple[str, ...], _SERVER_SECRETS] = field(default=(), repr=False)
    server_secret_file: Path | None = None
    anonymous: Anonymous = "auto"
    metrics_listen: Annotated[str, _METRICS_LISTEN] | None = None
    cell_cpus: Annotated[float, _CELL_CPUS] = 1.0
    uid_base: Annotated[int, at_least(100_000), at_most(HIGHEST_UID - UIDS)] = 1_900_000_000
    gateway_uid: Annotated[int, at_least(1), at_most(HIGHEST_UID), _GATEWAY_UID] = 1_899_999_999
    courier_uid: Annotated[int, at_least(1), at_most(HIGHEST_UID), _GATEWAY_UID] = 1_899_999_998
    result_ttl_s: Annotated[float, _RESULT_TTL_S] = 300.0
    body_limit_bytes: Annotated[int, at_least(1), at_most(MAX_BODY_LIMIT_BYTES)] = 2 * MIB
    event_log_bytes: Annotated[int, at_least(MIB)] = 256 * MIB
    keep_usage: bool = True
    audit: Literal["on", "off"] = "on"
    audit_days: Annotated[int, at_least(1), at_most(36_500)] = 90
    audit_bytes: Annotated[int, at_least(MIB)] = 256 * MIB
    audit_required: bool = False
    trace: bool = False
    log_format: LogFormat | None = None
    log_level: LogLevel = "info"
    require_cgroups: bool | None = None

    def __post_init__(self) -> None:
        wrong = list(_problems(self))
        if wrong:
            raise ConfigError("; ".join(wrong))

    @property
    def default_place(self) -> Place:
        """Where executions go that are to go nowhere else."""
        return Place(self.backend, self.wall, self.runtime)

    @property
    def engine_socket(self) -> Path:
        """Where the engine listens."""
        return self.run_dir / "engine.sock"

    @property
    def courier_socket(self) -> Path:
        """Where a courier listens, if there is need of one."""
        return self.run_dir / "courier.sock"


def _problems(settings: Settings) -> list[str]:
    wrong = list(broken(settings))
    if settings.pool_max_idle < settings.pool_min_idle:
        wrong.append("pool_max_idle: must be at least pool_min_idle")
    wrong += _place_problems(settings.default_place, "")
    for name, place in settings.places.items():
        if not _NAME.match(name):
            wrong.append(f"places: {name!r} {_NAME_RULE}")
        wrong += _place_problems(place, f"places.{name}.")
        if not place.by_request and not place.languages:
            wrong.append(f"places.{name}: without languages and by_request nothing would run there")
    wrong += _provider_problems(settings)
    routed = [language for place in settings.places.values() for language in place.languages]
    for language in sorted({x for x in routed if routed.count(x) > 1}):
        wrong.append(f"places: {language} is in the languages of more than one")
    backends = {settings.backend, *(place.backend for place in settings.places.values())}
    if "docker" in backends and not settings.docker_host.startswith("unix:///"):
        wrong.append("docker_host: must be a Unix socket, as unix:///var/run/docker.sock")
    for name in ("gateway_uid", "courier_uid"):
        if settings.uid_base <= getattr(settings, name) < settings.uid_base + UIDS:
            wrong.append(f"{name}: must not be among the uids of cells, from uid_base on")
    if settings.audit_required and settings.audit == "off":
        wrong.append("audit_required: audit is off")
    if settings.server_secrets and settings.server_secret_file is not None:
        wrong.append("server_secret_file: there are server_secrets, too")
    if settings.anonymous == "loopback" and not _is_local(settings.gateway.public_url):
        wrong.append("anonymous: behind a proxy whom others can reach, loopback may be anybody")
    try:
        settings.limits.require_within(settings.ceiling)
    except InvalidRequest as error:
        wrong.extend(f"{p.path}: {p.message}, its ceiling" for p in error.problems)
    return wrong


def _provider_problems(settings: Settings) -> list[str]:
    wrong = []
    issuers = [provider.issuer for provider in settings.identity_providers.values()]
    for name, provider in settings.identity_providers.items():
        if not _NAME.match(name):
            wrong.append(f"identity_providers: {name!r} {_NAME_RULE}")
        wrong += [f"identity_providers.{name}.{text}" for text in provider.problems()]
        if issuers.count(provider.issuer) > 1:
            wrong.append(f"identity_providers.{name}.issuer: is another's, too")
    if settings.courier_uid == settings.gateway_uid:
        wrong.append("courier_uid: is the gateway's, too")
    return wrong


def require_closed_door(settings: Settings, has_keys: bool) -> None:
    """Refuse a service that others can reach and that has no key.

    Args:
        has_keys: whether there are any, of the settings or made by ``vibecell keys``.

    Raises:
        ConfigError: names the setting by which others can reach it.
    """
    if has_keys or settings.anonymous == "never":
        return
    needs = "an address that others can reach needs a key (vibecell keys create, or api_keys)"
    if not is_loopback(settings.host):
        raise ConfigError(f"host: {needs}")
    if not _is_local(settings.gateway.public_url):
        raise ConfigError(f"gateway.public_url: {needs}")


def _is_local(url: str | None) -> bool:
    """Whether an address, if there is one, is of this machine alone. Source: RFC 6761 6.3."""
    host = urlsplit(url).hostname or "" if url is not None else "localhost"
    return is_loopback(host) or host.endswith(".localhost")


def _place_problems(place: Place, where: str) -> list[str]:
    wrong = []
    if place.backend not in BACKENDS:
        wrong.append(f"{where}backend: must be one of {', '.join(BACKENDS)}")
    if place.runtime and place.backend != "docker":
        wrong.append(f"{where}runtime: is for the backend docker")
    return wrong
