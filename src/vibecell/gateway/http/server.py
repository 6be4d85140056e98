"""The HTTP/1.1 server: gevent's pywsgi with the bounds it lacks.

Owns accepting, the bounds on connections, and the graceful stop;
``handler.py`` has what happens on a connection, ``serving.py`` what the two
know of each other. Refuses everything above HTTP: that is the application.
"""

import errno
import logging
import socket
import time
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from vibecell.gateway.http.address_shares import AddressShares
from vibecell.gateway.http.answer_chain import UNREAD, Answer, AnswerChain
from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.connection import Connection, Ending, Traffic
from vibecell.gateway.http.forwarded import UNIX, TrustedProxies, plain_address
from vibecell.gateway.http.handler import Handler
from vibecell.gateway.http.idle_connections import IdleConnections
from vibecell.gateway.http.serving import Closable, ServerLimits
from vibecell.model.access import Access
from vibecell.model.stopping import CUT_STOP_S, FAREWELL_STOP_S

_log = logging.getLogger(__name__)
#: One place in so many is kept free for who comes next, as long as another is idle.
_ONE_FREE_IN = 32


class GatewayServer(WSGIServer):  # type: ignore[misc]
    """Accepts connections; counts them per peer; stops gracefully.

    Attributes:
        stopped: set when the graceful stop is over.
        endings: how connections ended that neither side ended by a request.
        traffic: what connections have moved, and how many are open.
    """

    handler_class = Handler
    trace = False

    def __init__(
        self,
        listener: Any,
        application: Any,
        limits: ServerLimits,
        access: Access,
        chain: AnswerChain,
    ) -> None:
        self.limits = limits
        self.proxies = TrustedProxies(access.trusted_proxies)
        self.shares = AddressShares(access.connections_per_peer)
        self.bodies = BodyRooms(access.bodies_bytes)
        self.chain = chain
        self.open: set[Handler] = set()
        self.stopped = Event()
        self.stopping = False
        self.upgraded: set[Closable] = set()
        self.idle = IdleConnections()
        self.endings: Counter[Ending] = Counter()
        self.traffic = Traffic()
        self._free = max(1, access.connections // _ONE_FREE_IN)
        super().__init__(
            listener, application, spawn=Pool(access.connections), log=None, error_log=_log
        )
        self.environ["SERVER_SOFTWARE"] = ""
        # known already: the look-up of a name in update_environ may take seconds
        self.environ["SERVER_NAME"] = "localhost"

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection, unless its peer has too many: a trusted proxy never has."""
        peer = plain_address(address[0]) if isinstance(address, tuple) else UNIX
        if isinstance(address, tuple):
            # without it Nagle and delayed acknowledgement cost 40 ms per reply
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_proxied = peer in self.proxies
        share = self.shares.enter(peer, is_proxied)
        connection = Connection(
            sock,
            peer,
            self.limits.stall_s,
            self.trace,
            share,
            self.endings,
            is_proxied,
            self.traffic,
        )
        self.traffic.connections += 1
        try:
            if self.shares.is_full(share) and not is_proxied:
                self._turn_away(connection)
            else:
                self._keep_room()
                self.handler_class(connection, address, self).handle()
        finally:
            self.traffic.connections -= 1
            self.idle.ended(connection)
            self.shares.leave(peer, is_proxied)

    def _keep_room(self) -> None:
        wanted = self._free - self.pool.free_count()
        if wanted > 0 and (ended := self.idle.make_room(wanted)):
            _log.debug("%d idle connections ended for others", ended)

    def do_read(self) -> Any:
        """Accept one connection; one that was reset while it waited for that is none.

        Where the process may open no further file, idle connections make room.

        Raises:
            OSError: as accept(2); the server then waits a moment.
        """
        try:
            return super().do_read()
        except ConnectionAbortedError as error:
            _log.debug("a connection ended before it was accepted: %s", error)
            self.endings[Ending.RESET] += 1
            return None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self.idle.make_room(self._free):
                return None
            raise

    def _turn_away(self, connection: Connection) -> None:
        _log.debug("too many connections of %s", connection.peer)
        status = HTTPStatus.TOO_MANY_REQUESTS
        answer = Answer("", UNREAD, status, [], time.perf_counter(), connection)
        try:
            connection.send_all(self.chain.refusal(answer))
        except OSError as error:
            _log.debug("could not tell %s: %s", connection.peer, error)
        finally:
            self.chain.is_over(answer)

    def stop_gracefully(self) -> None:
        """Stop accepting, say goodbye on upgraded connections, end the rest.

        Idle connections end at once. A peer that takes no farewell, or no answer, in
        its share of ``stop_s`` is cut off; then ``stopped`` is set. Idempotent.

        A server that exits without a close frame looks to its clients like a
        broken network. Source: RFC 6455 section 7.4.1 (1001, going away).
        """
        if self.stopping:
            return
        self.stopping = True
        end_s = time.monotonic() + self.limits.stop_s
        self.close()  # the listener; who made it has it still
        _cut(handler for handler in self.open if self.idle.has(handler.connection))
        farewells = [gevent.spawn(peer.go_away) for peer in list(self.upgraded)]
        gevent.joinall(farewells, timeout=min(FAREWELL_STOP_S, self.limits.stop_s))
        _cut(handler for handler in self.open if handler.upgraded)
        self.pool.join(timeout=_left_s(end_s - CUT_STOP_S))
        _cut(self.open)
        self.pool.join(timeout=_left_s(end_s - CUT_STOP_S / 2))
        self.pool.kill(timeout=_left_s(end_s))
        self.stopped.set()


def _cut(handlers: Iterable[Handler]) -> None:
    for handler in list(handlers):
        handler.connection.abort()


def _left_s(end_s: float) -> float:
    return max(0.0, end_s - time.monotonic())
