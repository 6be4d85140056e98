"""What this deployment allows its clients.

Owns the numbers of the gateway that no operator sets, or that follow from other
settings; those an operator sets are ``Access``'s, which it adds to. Refuses to
read the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType

from vibecell.config import Settings
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.transports.websocket import WebSocketLimits
from vibecell.model.access import Access, Anonymous
from vibecell.model.identity_provider import IdentityProvider
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, Limits
from vibecell.sharing.room import places_for


@dataclass(frozen=True, slots=True)
class Policy(Access):
    """Rules of one gateway: what its operator grants, and what follows or is fixed.

    Attributes:
        api_keys: as in ``Settings``, beside keys of a store.
        identity_providers: as in ``Settings``.
        courier_socket: where their keys are asked for.
        limits, ceiling: of executions, as in ``Settings``.
        anonymous: who is served without a key.
        local_names_only: serve whoever shows no credential only by a ``Host`` that names
            this machine, so that a foreign page cannot reach a gateway by rebinding
            its own name to a loopback address.
        anonymous_metrics: who shows no credential may read metrics, as long as there is no key:
            not where they have a listener of their own.
        body_bytes: of one request body.
        owner_input_bytes: of messages that one owner's WebSockets have received
            and nobody has used yet.
        key_input_bytes: of all users of a key together likewise.
        max_wait_s: upper bound of ``Prefer: wait``.
        stream_s: upper bound of one event stream; a client resumes after it.
        record_ttl_s: how long the gateway remembers an execution it began.
        record_bytes: of page files remembered in all.
        languages_ttl_s: how long the gateway goes by what the engine said it offers.
        websocket: bounds of each.
        server: deadlines and bounds of the one that listens.
    """

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    anonymous: Anonymous = "auto"
    identity_providers: Mapping[str, IdentityProvider] = field(
        default_factory=lambda: MappingProxyType({})
    )
    courier_socket: Path = Path("courier.sock")
    limits: Limits = DEFAULT_LIMITS
    ceiling: Limits = DEFAULT_CEILING
    local_names_only: bool = True
    anonymous_metrics: bool = True
    body_bytes: int = 2 * 1024 * 1024
    owner_input_bytes: int = 32 * 1024 * 1024
    key_input_bytes: int = 128 * 1024 * 1024
    max_wait_s: int = 60
    stream_s: float = 3600.0
    record_ttl_s: float = 600.0
    record_bytes: int = 64 * 1024 * 1024
    languages_ttl_s: float = 10.0
    websocket: WebSocketLimits = field(default_factory=WebSocketLimits)
    server: ServerLimits = field(default_factory=ServerLimits)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Policy":
        """The rules that a deployment's settings mean."""
        granted = {each.name: getattr(settings.gateway, each.name) for each in fields(Access)}
        # or the largest would never find room
        least_bytes = places_for(settings.body_limit_bytes)
        granted["bodies_bytes"] = max(granted["bodies_bytes"], least_bytes)
        return cls(
            **granted,
            api_keys=settings.api_keys,
            limits=settings.limits,
            ceiling=settings.ceiling,
            anonymous=settings.anonymous,
            identity_providers=settings.identity_providers,
            courier_socket=settings.courier_socket,
            anonymous_metrics=settings.metrics_listen is None,
            body_bytes=settings.body_limit_bytes,
            record_ttl_s=settings.result_ttl_s + settings.ceiling.wall_time_ms / 1000,
        )
