"""The gateway as a process: from a listening socket to a graceful end.

Owns the signals and the order of the end; refuses to spawn processes, to bind
addresses (its parent did) and to run without cooperative sockets.
"""

import contextlib
import io
import logging
import signal
import socket
from collections.abc import Iterator

import gevent
from gevent import monkey

from vibecell.config import Settings
from vibecell.config.garbage import give_back, settle_garbage
from vibecell.executor import Executor
from vibecell.gateway.answer_steps import answer_chain, metrics_chain
from vibecell.gateway.app import create_app
from vibecell.gateway.credential_audit import CredentialAudit
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.key_watch import KeyWatch
from vibecell.gateway.metrics_door import metrics_server
from vibecell.gateway.parts import Gateway
from vibecell.gateway.policy import Policy
from vibecell.model.errors import PlatformError
from vibecell.sharing.audit_trail import AuditTrail
from vibecell.sharing.key_ring import KeyRing
from vibecell.sharing.key_source import KeySource

_log = logging.getLogger(__name__)


def run_gateway(
    settings: Settings,
    listener_socket: socket.socket,
    executor: Executor,
    policy: Policy | None = None,
    keys: KeySource | None = None,
    trail: AuditTrail | None = None,
    metrics_socket: socket.socket | None = None,
    restarts: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop within ``GATEWAY_STOP_S``.

    Args:
        settings: as loaded.
        listener_socket: bound and listening.
        executor: whom to ask; its sockets must be cooperative, so
            ``gevent.monkey.patch_all()`` has to come first in the process.
        policy: other rules than the settings mean, for tests.
        keys: of a store, beside those of the settings; one that cannot be read lets nobody in
            until it can be.
        trail: of what happens to credentials here, open already where it is required; ``None``:
            nothing is audited.
        metrics_socket: bound and listening, for metrics alone; ``None``: there is none.
        restarts: how often a gateway was started again before, by who starts this one.

    Raises:
        PlatformError: sockets are not cooperative.
    """
    if not monkey.is_module_patched("socket"):
        raise PlatformError("start the gateway", "sockets are not cooperative")
    policy = policy or Policy.from_settings(settings)
    ring = KeyRing(policy.api_keys, policy.anonymous, is_unread=keys is not None)
    audit = CredentialAudit(trail)
    gateway = Gateway(executor, policy, ring, audit, restarts)
    chain = answer_chain(gateway)
    server = GatewayServer(listener_socket, create_app(gateway), policy.server, policy, chain)
    server.trace = settings.trace
    gevent.get_hub().exception_stream = LoggedLines()
    gateway.metrics.watch(server.endings, server.traffic)
    settle_garbage()
    with _stopped_by_signals(server), _tended(ring, keys, audit):
        server.start()
        with _metrics_served(gateway, metrics_socket):
            server.stopped.wait()
    _log.info("the gateway has stopped")


@contextlib.contextmanager
def _stopped_by_signals(server: GatewayServer) -> Iterator[None]:
    watchers = [
        gevent.signal_handler(number, server.stop_gracefully)
        for number in (signal.SIGTERM, signal.SIGINT)
    ]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()


@contextlib.contextmanager
def _tended(ring: KeyRing, keys: KeySource | None, audit: CredentialAudit) -> Iterator[None]:
    """Meanwhile memory is given back, keys are looked at and the audit is written."""
    giving_back = gevent.spawn(_give_back_for_ever)
    watch = KeyWatch(ring, keys) if keys is not None else None
    if watch is not None:
        watch.look()  # before anybody asks
        watch.start()
    audit.start()
    try:
        yield
    finally:
        giving_back.kill()
        if watch is not None:
            watch.stop()
        audit.stop()


@contextlib.contextmanager
def _metrics_served(gateway: Gateway, listener: socket.socket | None) -> Iterator[None]:
    """Meanwhile metrics are served on a listener of their own, if there is one."""
    if listener is None:
        yield
        return
    door = metrics_server(gateway, listener, metrics_chain())
    door.start()
    try:
        yield
    finally:
        door.stop(timeout=0)  # who scrapes comes again


class LoggedLines(io.TextIOBase):
    """What gevent says of a greenlet that failed, as lines of the log, which hold up nobody."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = ""

    def write(self, text: str) -> int:
        """Log each line when it is whole."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(None, lines):
            _log.error("%s", line)
        return len(text)


def _give_back_for_ever() -> None:
    while True:
        gevent.sleep(give_back())
