"""What a credential needs for which operation.

Owns the one table of it, which the OpenAPI document shows. An operation that is not in it is
served to nobody. Refuses to know how a caller was recognised.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vibecell.model.caller import Caller, Scope
from vibecell.model.errors import NotPermitted

_ONE = "/v1/executions/<execution_id>"
_ANY_KIND = ("anonymous", "key", "token", "ticket")


@dataclass(frozen=True, slots=True)
class Need:
    """What it takes.

    Attributes:
        scope: which the credential must have; ``None``: none in particular.
        kinds: of credential that are good for it.
        by_ticket: whether a ticket can be made for it.
    """

    scope: Scope | None = None
    kinds: tuple[str, ...] = _ANY_KIND
    by_ticket: bool = False


NEEDS: Mapping[tuple[str, str], Need] = {
    ("POST", "/execute"): Need("execute"),
    ("POST", "/v1/executions"): Need("execute"),
    ("GET", "/v1/executions"): Need("read"),
    # what is said in the conversation that it begins needs nothing more
    ("GET", "/v1/executions/stream"): Need("execute", by_ticket=True),
    ("GET", _ONE): Need("read"),
    ("DELETE", _ONE): Need("control"),
    ("POST", f"{_ONE}/controls"): Need("control"),
    ("GET", f"{_ONE}/events"): Need("read", by_ticket=True),
    # controls that come over it need the scope "control" besides
    ("GET", f"{_ONE}/stream"): Need("read", by_ticket=True),
    # asked for only where this gateway did not begin it
    ("GET", f"{_ONE}/page/"): Need("read"),
    ("GET", "/v1/languages"): Need(),
    ("POST", "/v1/tokens"): Need(kinds=("key",)),
    ("POST", "/v1/tickets"): Need(kinds=("anonymous", "key", "token")),
    ("GET", "/metrics"): Need("metrics"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request wants to do.

    Attributes:
        method: of HTTP.
        route: the rule that its path goes by.
        execution_id: which execution it names, if any.
    """

    method: str
    route: str
    execution_id: str | None = None

    @property
    def need(self) -> Need:
        """What it takes.

        Raises:
            KeyError: it is not in the table.
        """
        method = "GET" if self.method == "HEAD" else self.method
        return NEEDS[method, self.route]


def require_permitted(caller: Caller, operation: Operation) -> None:
    """Refuse what a caller's credential is not good for.

    Raises:
        NotPermitted: it is of another kind, or has not the scope.
    """
    need = operation.need
    if caller.kind not in need.kinds:
        raise NotPermitted(f"that needs a credential of another kind: {' or '.join(need.kinds)}")
    if need.scope is not None:
        require_scope(caller, need.scope)


def require_scope(caller: Caller, scope: Scope) -> None:
    """Refuse whoever has not this scope.

    Raises:
        NotPermitted: he has not.
    """
    if scope not in caller.scopes:
        raise NotPermitted(f"this credential has not the scope {scope}")
