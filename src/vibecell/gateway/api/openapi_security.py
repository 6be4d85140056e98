"""Which credentials are good for which operation, as the OpenAPI description shows it.

Owns the words for each kind of credential; refuses to say what is needed: that is the table of
``identity/permissions.py``.
"""

from vibecell.gateway.identity.permissions import NEEDS
from vibecell.wire.views import JsonObject

SCHEMES: JsonObject = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A platform's; on a WebSocket also the subprotocol `vibecell.key.<key>`.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's; on a WebSocket also the subprotocol `vibecell.token.<token>`.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "Good for 30 s, and once.",
    },
}


def security_of(method: str, path: str) -> list[JsonObject]:
    """Which credentials are good for an operation, with the scope that it needs."""
    need = NEEDS.get((method, path.replace("{id}", "<execution_id>")))
    if need is None:
        return []
    scopes = [] if need.scope is None else [need.scope]
    good: list[JsonObject] = [
        {kind: scopes}
        for kind in SCHEMES
        if kind in need.kinds and (kind != "ticket" or need.by_ticket)
    ]
    return [*good, {}] if "anonymous" in need.kinds else good
