"""How much a gateway grants its clients.

Owns the numbers and names an operator may set for it; refuses values that mean
nothing. What they bound is the gateway's business.
"""

from dataclasses import dataclass, fields

from vibecell.model.errors import FieldProblem, InvalidRequest


@dataclass(frozen=True, slots=True)
class Access:
    """Bounds of one gateway.

    Attributes:
        connections: open at once in all.
        connections_per_peer: open at once from one address.
        concurrent: requests, streams and WebSockets one owner may hold open.
        begun_per_minute: requests of one owner that begin an execution.
        wrong_keys_per_minute: from one address.
        disconnect_grace_s: in which a client may come back to its run.
        first_message_s: from a WebSocket's opening to its ``execute``.
        heartbeat_s: between two bytes of a silent event stream.
        allowed_origins: pages of other hosts that may open a WebSocket.

    Raises:
        InvalidRequest: a number is not above zero, or an origin is none.
    """

    connections: int = 2048
    connections_per_peer: int = 256
    concurrent: int = 256
    begun_per_minute: int = 60_000
    wrong_keys_per_minute: int = 20
    disconnect_grace_s: float = 5.0
    first_message_s: float = 30.0
    heartbeat_s: float = 8.0
    allowed_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = []
        for member in fields(self):
            value = getattr(self, member.name)
            if not isinstance(value, tuple) and not 0 < value < float("inf"):
                wrong.append(FieldProblem(f"gateway.{member.name}", "must be above 0"))
        for origin in self.allowed_origins:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or "/" in host or host != host.lower():
                wrong.append(
                    FieldProblem(
                        "gateway.allowed_origins",
                        "each must be as a browser says it: scheme://host",
                    )
                )
        if wrong:
            raise InvalidRequest(*wrong)


DEFAULT_ACCESS = Access()
