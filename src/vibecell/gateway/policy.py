"""What this deployment allows its clients.

Owns the numbers of the gateway that are not the engine's; refuses to read the
environment: they come from ``Settings`` or are the defaults below.
"""

from dataclasses import dataclass, field

from vibecell.config import Settings
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.transports.websocket import WebSocketLimits
from vibecell.model.access import DEFAULT_ACCESS
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS, Limits
from vibecell.model.loopback import is_loopback


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules of one gateway.

    Attributes:
        api_keys: accepted keys; empty lets every loopback peer in.
        limits, ceiling: of executions, as in ``Settings``.
        local_names_only: accept only a ``Host`` that names this machine, so
            that a foreign page cannot reach a keyless gateway by rebinding
            its own name to a loopback address.
        allowed_origins: pages of other hosts that may open a WebSocket.
        body_bytes: of one request body.
        rate: of requests that begin an execution, per owner.
        concurrent: requests and streams one owner may hold open.
        failed_auth_rate: wrong keys per address.
        disconnect_grace_s: in which a client may come back to its run.
        heartbeat_s: between two bytes of a silent event stream.
        first_message_s: from a WebSocket's opening to its ``execute``.
        max_wait_s: upper bound of ``Prefer: wait``.
        stream_s: upper bound of one event stream; a client resumes after it.
        record_ttl_s: how long the gateway remembers an execution it began.
        record_bytes: of page files remembered in all.
    """

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    limits: Limits = DEFAULT_LIMITS
    ceiling: Limits = DEFAULT_CEILING
    local_names_only: bool = True
    allowed_origins: frozenset[str] = frozenset()
    body_bytes: int = 2 * 1024 * 1024
    rate: str = f"{DEFAULT_ACCESS.begun_per_minute}/minute"
    concurrent: int = DEFAULT_ACCESS.concurrent
    failed_auth_rate: str = f"{DEFAULT_ACCESS.wrong_keys_per_minute}/minute"
    disconnect_grace_s: float = DEFAULT_ACCESS.disconnect_grace_s
    heartbeat_s: float = DEFAULT_ACCESS.heartbeat_s
    first_message_s: float = DEFAULT_ACCESS.first_message_s
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
        access = settings.gateway
        return cls(
            api_keys=settings.api_keys,
            limits=settings.limits,
            ceiling=settings.ceiling,
            local_names_only=not settings.api_keys and is_loopback(settings.host),
            body_bytes=settings.body_limit_bytes,
            record_ttl_s=settings.result_ttl_s + settings.ceiling.wall_time_ms / 1000,
            allowed_origins=frozenset(access.allowed_origins),
            rate=f"{access.begun_per_minute}/minute",
            concurrent=access.concurrent,
            failed_auth_rate=f"{access.wrong_keys_per_minute}/minute",
            disconnect_grace_s=access.disconnect_grace_s,
            heartbeat_s=access.heartbeat_s,
            first_message_s=access.first_message_s,
            server=ServerLimits(
                connections=access.connections,
                connections_per_peer=access.connections_per_peer,
            ),
        )
