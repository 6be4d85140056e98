"""The parts of one gateway, which its endpoints share.

Owns their wiring, and what takes several of them; refuses module-level state:
two gateways in one process do not meet.
"""

import time

from flask import request

from vibecell.executor import Executor
from vibecell.gateway.identity.authenticator import Authenticator
from vibecell.gateway.metrics import Metrics
from vibecell.gateway.page_files import PageFiles
from vibecell.gateway.policy import Policy
from vibecell.gateway.public_address import PublicAddress
from vibecell.gateway.quota import Quota
from vibecell.gateway.transports.inbox import Room
from vibecell.gateway.watchers import Watchers
from vibecell.model.caller import Caller, Owner, Scope
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.sharing.key_ring import KeyRing
from vibecell.wire.requests import decode_execute, to_execution_request


class Gateway:
    """The parts of one gateway.

    Args:
        executor: whom to ask.
        policy: its rules.
        keys: those there are; ``None``: the policy's alone.
    """

    def __init__(self, executor: Executor, policy: Policy, keys: KeyRing | None = None) -> None:
        self.executor = executor
        self.policy = policy
        self.address = PublicAddress(policy.public_url)
        self.keys = keys or KeyRing(policy.api_keys, policy.anonymous)
        self.authenticator = Authenticator(policy, self.keys)
        self.quota = Quota(policy)
        self.watchers = Watchers(executor, policy.disconnect_grace_s)
        self.page_files = PageFiles(policy.record_ttl_s, policy.record_bytes)
        self.metrics = Metrics()
        self._rooms: dict[Owner, Room] = {}
        self._offer = Offer(())
        self._offer_until = 0.0

    @property
    def local_names_only(self) -> bool:
        """Whether a ``Host`` must name this machine, as whoever is served shows nothing."""
        return self.policy.local_names_only and self.keys.anonymous_alone

    def caller(self, scope: Scope | None = None) -> Caller:
        """Who makes the current request; raises what ``Authenticator`` does."""
        return self.authenticator.caller(request.environ, scope)

    def room(self, owner: Owner) -> Room:
        """What this owner's WebSockets may hold together; owners are as many as keys."""
        return self._rooms.setdefault(owner, Room(self.policy.owner_input_bytes))

    def offer(self) -> Offer:
        """What can be run, asked of the engine now and then.

        Raises:
            EngineUnavailable: it is not known, and cannot be asked.
        """
        if time.monotonic() >= self._offer_until:
            self._offer = self.executor.offer()
            self._offer_until = time.monotonic() + self.policy.languages_ttl_s
        return self._offer

    def execution_request(self, value: object) -> ExecutionRequest:
        """The request a parsed JSON value means; raises ``RequestError``."""
        return to_execution_request(
            decode_execute(value), self.offer(), self.policy.limits, self.policy.ceiling
        )

    def remember_page(self, execution_id: str, asked: ExecutionRequest) -> None:
        """Note the files of an execution that was just begun, if it is a page."""
        language = self.offer().find(asked.request_class, asked.language, asked.version)
        if language.mode == "page":
            entry = asked.entrypoint or language.entrypoint
            self.page_files.remember(execution_id, entry, {f.path: f.content for f in asked.files})
