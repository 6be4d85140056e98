"""The parts of one gateway, which its endpoints share.

Owns their wiring, and what takes several of them; refuses module-level state:
two gateways in one process do not meet.
"""

import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from flask import Response, request

from vibecell.executor import Executor
from vibecell.gateway.credential_audit import CredentialAudit
from vibecell.gateway.cross_origin import CrossOrigin
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.identity.authenticator import Authenticator
from vibecell.gateway.identity.courier import Courier
from vibecell.gateway.identity.memory_tickets import MemoryTickets
from vibecell.gateway.identity.permissions import Operation
from vibecell.gateway.identity.provider_tokens import ProviderTokens
from vibecell.gateway.metrics import Metrics
from vibecell.gateway.page_files import PageFiles
from vibecell.gateway.policy import Policy
from vibecell.gateway.problems import http_problem_of
from vibecell.gateway.public_address import PublicAddress
from vibecell.gateway.quota import Quota
from vibecell.gateway.transports.inbox import Room
from vibecell.gateway.watchers import Watchers
from vibecell.model.caller import Account, Caller, CredentialKind, Owner
from vibecell.model.errors import ExpiredCredential, RevokedCredential
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.model.provenance import MAX_ADDRESS_CHARACTERS, Provenance
from vibecell.sharing.key_ring import KeyRing
from vibecell.wire.requests import decode_execute, to_execution_request


class Gateway:
    """The parts of one gateway.

    Args:
        executor: whom to ask.
        policy: its rules.
        keys: those there are; ``None``: the policy's alone.
        audit: of what happens to credentials; ``None``: nowhere.
        restarts: see ``Metrics``.
    """

    def __init__(
        self,
        executor: Executor,
        policy: Policy,
        keys: KeyRing | None = None,
        audit: CredentialAudit | None = None,
        restarts: int = 0,
    ) -> None:
        self.executor = executor
        self.policy = policy
        self.address = PublicAddress(policy.public_url)
        self.keys = keys or KeyRing(policy.api_keys, policy.anonymous)
        providers = ProviderTokens(policy.identity_providers, Courier(policy.courier_socket))
        self.audit = audit or CredentialAudit(None)
        self.authenticator = Authenticator(
            policy, self.keys, MemoryTickets(), providers, note_dead=self._note_dead
        )
        self.cross_origin = CrossOrigin(
            policy.allowed_origins, self.address.origin, self.keys.lists_origin
        )
        self.quota = Quota(policy)
        self.watchers = Watchers(executor, policy.disconnect_grace_s)
        self.page_files = PageFiles(policy.record_ttl_s, policy.record_bytes)
        self.metrics = Metrics(restarts, self.audit.measured)
        self._rooms: WeakValueDictionary[Owner, Room] = WeakValueDictionary()
        self._rooms_of_keys: WeakValueDictionary[str, Room] = WeakValueDictionary()
        self._offer = Offer(())
        self._offer_until = 0.0

    @property
    def local_names_only(self) -> bool:
        """Whether a ``Host`` must name this machine, as whoever is served shows nothing."""
        return self.policy.local_names_only and self.keys.anonymous_alone

    def caller(self) -> Caller:
        """Who makes the current request, and may; raises what ``caller_of`` does."""
        named: dict[str, str] = request.view_args or {}
        return self.caller_of(request.environ, named.get("execution_id"))

    def caller_of(self, environ: Mapping[str, Any], execution_id: str | None = None) -> Caller:
        """Who makes a request that the framework may not have seen, and may.

        Raises:
            NotPermitted: it is made by a page that the credential is not for, too.
            HTTPException, RequestError, PlatformError: as ``Authenticator.caller`` says.
        """
        route = environ["vibecell.handler"].route
        operation = Operation(environ["REQUEST_METHOD"], route, execution_id)
        caller = self.authenticator.caller(environ, operation)
        environ["vibecell.handler"].connection.caller_origins = caller.origins
        self.cross_origin.require(environ, caller)
        return caller

    def refusal(self, error: Exception) -> Response:
        """The response that tells an error, whatever raised it; it is counted."""
        problem = http_problem_of(error)
        self.metrics.refused(problem.kind)
        return problem.response()

    def room(self, owner: Owner) -> Room:
        """What this owner's WebSockets may hold together, as long as there is one of them.

        It is a part of what those of all users of his key may.
        """
        of_key = self._rooms_of_keys.setdefault(owner.key, Room(self.policy.key_input_bytes))
        return self._rooms.setdefault(owner, Room(self.policy.owner_input_bytes, of_key))

    def offer(self) -> Offer:
        """What can be run, asked of the engine now and then.

        Raises:
            EngineUnavailable: it is not known, and cannot be asked.
        """
        if time.monotonic() >= self._offer_until:
            self._offer = self.executor.offer()
            self._offer_until = time.monotonic() + self.policy.languages_ttl_s
        return self._offer

    def execution_request(self, value: object, caller: Caller) -> tuple[ExecutionRequest, Account]:
        """The request a caller's parsed JSON value means, and whom it is charged to.

        Raises:
            RequestError: it means none, or is on behalf of whom he does not speak for.
        """
        asked = to_execution_request(
            decode_execute(value), self.offer(), self.policy.limits, self.policy.ceiling
        )
        return asked, caller.account_for(asked.user)

    def provenance(self, connection: Connection, caller: Caller) -> Provenance:
        """From where the request under way on a connection begins an execution."""
        return _provenance(connection, caller.kind)

    def _note_dead(
        self,
        error: ExpiredCredential | RevokedCredential,
        kind: CredentialKind,
        connection: Connection,
    ) -> None:
        self.audit.refused(error, _provenance(connection, kind))

    def remember_page(self, execution_id: str, asked: ExecutionRequest, caller: Caller) -> None:
        """Note the files of an execution that was just begun, if it is a page."""
        language = self.offer().find(asked.request_class, asked.language, asked.version)
        if language.mode == "page":
            entry = asked.entrypoint or language.entrypoint
            files = {f.path: f.content for f in asked.files}
            self.page_files.remember(execution_id, entry, files, caller.origins)


def _provenance(connection: Connection, kind: CredentialKind) -> Provenance:
    return Provenance(connection.request_id, connection.client[:MAX_ADDRESS_CHARACTERS], kind)
