"""Who has a key: a store, a ring that knows it, and a door that goes by it."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vibecell.gateway.identity.authenticator import Authenticator
from vibecell.gateway.identity.courier import Courier
from vibecell.gateway.identity.memory_tickets import MemoryTickets
from vibecell.gateway.identity.permissions import Operation
from vibecell.gateway.identity.provider_tokens import ProviderTokens
from vibecell.gateway.policy import Policy
from vibecell.model.caller import DEFAULT_SCOPES, NO_BOUNDS, Caller, Grant, Scope
from vibecell.model.loopback import is_loopback
from vibecell.sharing.key_desk import GivenOut, KeyDesk
from vibecell.sharing.key_ring import KeyRing, KeyView
from vibecell.sharing.keys import Key
from vibecell.sharing.memory_key_store import MemoryKeyStore
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

LANGUAGES = Operation("GET", "/v1/languages")
BEGIN = Operation("POST", "/v1/executions")
BEGIN_LIVE = Operation("GET", "/v1/executions/stream")
LOOK = Operation("GET", "/v1/executions/<execution_id>", "known")
FOLLOW_LIVE = Operation("GET", "/v1/executions/<execution_id>/stream", "known")
EVENTS = Operation("GET", "/v1/executions/<execution_id>/events", "known")
MAKE_TOKEN = Operation("POST", "/v1/tokens")
MAKE_TICKET = Operation("POST", "/v1/tickets")
NO_PROVIDERS = ProviderTokens({}, Courier(Path("nowhere")))
HERE = "127.0.0.1"
ELSEWHERE = "192.0.2.1"


class KeyOwners:
    """Keys as they are made, revoked and run out, and the ring that goes by them.

    Attributes:
        late_s: by how much its clock is ahead of everybody's.
    """

    def __init__(self) -> None:
        self.late_s = 0.0
        self.store = MemoryKeyStore()
        self.secrets = ServerSecrets((new_server_secret(),))
        # it is told of every change at once, so it is never too old
        self.ring = KeyRing(view=self._view(), clock=self.now, monotonic=lambda: 0.0)
        self._desk = KeyDesk(self.store, self.secrets, self.now)

    def now(self) -> float:
        return time.time() + self.late_s

    def create(
        self,
        scopes: frozenset[Scope] = DEFAULT_SCOPES,
        grant: Grant = NO_BOUNDS,
        lifetime_s: float | None = None,
    ) -> GivenOut:
        made = self._desk.create(Key("", "shop", scopes, grant, 2.0), lifetime_s)
        self.ring.take(self._view())
        return made

    def revoke(self, made: GivenOut) -> None:
        self._desk.revoke(made.key.id)
        self.ring.take(self._view())

    def replace_secrets(self, *texts: str) -> None:
        self.secrets = ServerSecrets(texts)
        self._desk = KeyDesk(self.store, self.secrets, self.now)
        self.ring.take(self._view())

    def _view(self) -> KeyView:
        return KeyView(self.store.records(), self.secrets)


def asked(peer: str = HERE, **fields: str) -> dict[str, Any]:
    """A request, as far as a door looks at it."""
    local = peer == "unix" or is_loopback(peer)
    connection = SimpleNamespace(client=peer, is_local=local, owner=None, notes=None)
    handler = SimpleNamespace(connection=connection)
    return {"vibecell.handler": handler, **fields}


def bearing(credential: str, peer: str = HERE) -> dict[str, Any]:
    """A request with this credential."""
    return asked(peer, HTTP_AUTHORIZATION=f"Bearer {credential}")


class Door:
    """An authenticator, asked in few words."""

    def __init__(self, ring: KeyRing, **granted: Any) -> None:
        self.made = Authenticator(Policy(**granted), ring, MemoryTickets(), NO_PROVIDERS)

    def ask(self, environ: dict[str, Any], operation: Operation = LANGUAGES) -> Caller:
        return self.made.caller(environ, operation)

    def ticket(self, credential: str, execution_id: str | None = None) -> str:
        environ = bearing(credential)
        return self.made.ticket(self.ask(environ, MAKE_TICKET), execution_id).text


def door_of_settings(*keys: str, **granted: Any) -> Door:
    """One that knows the keys of the settings alone."""
    return Door(KeyRing(keys), api_keys=keys, **granted)
