"""One connection of the HTTP/1.1 server: gevent's handler, with deadlines.

Owns the deadlines of a request (idle, header, body) and the writing of what
answers it; refuses everything above HTTP.

Theory of operation: each connection is a greenlet with a ``Connection`` and a
``RequestReader``. A handler moves through the phases idle → header → body,
each with an absolute deadline, so a client that sends a byte now and then
gains nothing. A body the application left unread is discarded up to a bound;
beyond it the connection closes, so no byte of one request is ever read as
the next one.
"""

import io
import logging
import socket
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import gevent
from gevent.pywsgi import WSGIHandler, format_date_time, unquote_latin1

from vibecell.gateway.http.answer_chain import UNREAD, Answer, Field, head
from vibecell.gateway.http.connection import Connection, Ending, RequestReader
from vibecell.gateway.http.header_fields import Fields, HeaderTooLarge, WrongFields
from vibecell.gateway.http.request_body import Body
from vibecell.gateway.http.request_head import (
    BadRequest,
    body_length,
    closes,
    expects_continue,
    may_upgrade,
    origin_form,
    request_line,
)
from vibecell.gateway.http.serving import Serving

_log = logging.getLogger(__name__)


@lru_cache(1)
def _date(now_s: int) -> str:
    return str(format_date_time(now_s), "ascii")


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection: reads requests, runs the application, writes responses.

    Attributes:
        connection: the socket, and what is noted of the request under way.
        route: of the request under way, for the answer chain; the application
            sets its own.
    """

    server: Serving
    rfile: Any
    route: str | None
    response_headers: list[tuple[bytes, bytes]]

    def __init__(self, connection: Connection, address: Any, server: Serving) -> None:
        self.limits = server.limits
        self.connection = connection
        self.reader = RequestReader(self.connection)
        self.upgraded = False
        self._answered: Answer | None = None
        super().__init__(
            connection.socket, address, server, rfile=io.BufferedReader(self.reader, 8192)
        )

    def handle(self) -> None:
        """Serve requests until one side closes; never raises."""
        self.server.open.add(self)
        try:
            while (answer := self._serve_one()) is True:
                if self.server.stopping:
                    return
            if isinstance(answer, tuple):
                status = int(answer[0])
                wait_s = self._held_back_s(status)
                self._refuse(HTTPStatus.TOO_MANY_REQUESTS if wait_s else status, wait_s)
                self._linger()
        except OSError as error:
            _log.debug("connection of %s ended: %s", self.connection.peer, error)
        finally:
            self.server.open.discard(self)
            self.connection.abort()
            self.socket.close()

    def _serve_one(self) -> object:
        share = self.connection.share
        try:
            return self.handle_one_request()
        except (BadRequest, HeaderTooLarge, WrongFields) as error:
            return self._handle_client_error(error)
        finally:
            if self.connection.share is not share:
                self.server.shares.leave(self.connection.client)
                self.connection.work_for(share)

    def _linger(self) -> None:
        """Take what the client still sends, so that it can read the refusal.

        Closing with unread bytes makes the kernel send a reset, and the
        client may lose the response. Source: RFC 9112 section 9.6.
        """
        self.connection.socket.shutdown(socket.SHUT_WR)
        end = time.monotonic() + 1.0
        left = self.limits.discard_bytes
        while left > 0 and (wait := end - time.monotonic()) > 0:
            piece = self.connection.receive(65536, wait)
            if not piece:
                return
            left -= len(piece)

    def read_requestline(self) -> str:
        """The request line; waits ``idle_s`` for its first byte."""
        if not self._begun():
            return ""
        self.connection.request_begins()
        self.command, self.route, self._began_s = "", UNREAD, time.perf_counter()
        self.reader.allow(self.limits.header_s)
        try:
            line: str = super().read_requestline()
        except TimeoutError as error:
            raise BadRequest(HTTPStatus.REQUEST_TIMEOUT) from error
        if len(line) > self.limits.header_bytes:
            raise HeaderTooLarge
        return line

    def _begun(self) -> bool:
        """Wait for the first byte of a request; ``False`` at the end of the stream."""
        self.reader.allow(self.limits.idle_s)
        self.server.idle.waits(self.connection)
        reads = self.reader.reads
        try:
            begun = bool(self.rfile.peek(1))
        except TimeoutError:
            self.connection.end(Ending.IDLE)
            return False
        if begun:
            self.server.idle.begins(self.connection)
        if reads == self.reader.reads:  # it came before the answer to the one before
            self.connection.take_turn()
            while (wait_s := self.connection.share.pipelined_wait_s()) > 0.0:
                gevent.sleep(wait_s)
        return begun

    def read_request(self, raw_requestline: str) -> bool:
        """Parse the header and refuse what could be read in two ways.

        Raises:
            BadRequest: names the status to answer.
            WrongFields: the header is none.
        """
        self.command, target, self.request_version = request_line(raw_requestline)
        self.path, host = origin_form(target)
        left_bytes = self.limits.header_bytes - len(raw_requestline)
        self.fields = Fields.read(self.rfile, left_bytes)
        self.server.idle.is_busy(self.connection)
        self._note_who_asks()
        self.content_length = body_length(self.command, self.request_version, self.fields)
        if host is not None:
            self.fields = self.fields.with_host(host)
        self.close_connection = closes(self.request_version, self.fields)
        self.reader.allow(self.limits.body_s)
        return True

    def _note_who_asks(self) -> None:
        """Which page, by what name, and for whom, where the peer is a proxy.

        Everybody behind one has a share.

        Raises:
            BadRequest: too many requests of that client are open.
        """
        connection = self.connection
        connection.name_request(self.fields.get_all("x-request-id"))
        connection.origin = ",".join(self.fields.get_all("origin")) or None
        if not connection.is_proxied:
            return
        connection.asks_for(self.server.proxies.forwarding(connection.peer, self.fields))
        connection.work_for(self.server.shares.enter(connection.client))
        if self.server.shares.is_full(connection.share):
            raise BadRequest(HTTPStatus.TOO_MANY_REQUESTS)

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment, with this handler and a bounded body in it."""
        self.route, self._began_s = None, time.perf_counter()
        environ: dict[str, Any] = self.server.get_environ()
        path, _, query = self.path.partition("?")
        environ.update(
            self.fields.environ(),
            REQUEST_METHOD=self.command,
            SCRIPT_NAME="",
            PATH_INFO=unquote_latin1(path) if "%" in path else path,
            QUERY_STRING=query,
            SERVER_PROTOCOL=self.request_version,
        )
        if kind := self.fields.get("content-type"):
            environ["CONTENT_TYPE"] = kind
        if self.content_length is not None:
            environ["CONTENT_LENGTH"] = str(self.content_length)
        if isinstance(self.client_address, tuple):
            environ["REMOTE_ADDR"] = str(self.client_address[0])
            environ["REMOTE_PORT"] = str(self.client_address[1])
        body = Body(
            self.rfile,
            self.connection,
            self.content_length,
            "HTTP_TRANSFER_ENCODING" in environ,
            "HTTP_EXPECT" in environ and expects_continue(self.request_version, self.fields),
            self.limits.discard_bytes,
            self.server.bodies,
        )
        if "HTTP_UPGRADE" in environ and not may_upgrade(
            self.command, self.request_version, not body.complete
        ):
            del environ["HTTP_UPGRADE"]
        self.wsgi_input: Any = body
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        environ["vibecell.handler"] = self
        return environ

    def passed(self, status: int, fields: list[Field]) -> list[Field]:
        """The fields of an answer that is about to be sent; it passes the chain here, once."""
        self._answered = self._answer(status, fields)
        return self.server.chain.passed(self._answered)

    def _answer(self, status: int, fields: list[Field]) -> Answer:
        return Answer(self.command, self.route, status, fields, self._began_s, self.connection)

    def reply(self, fields: list[Field], body: bytes) -> None:
        """Answer 200 in one piece, past WSGI; the application then returns nothing.

        Args:
            fields: of the header, without length, date and connection.
            body: all of it.
        """
        fields = self.passed(HTTPStatus.OK, fields)
        fields += ("Content-Length", str(len(body))), ("Date", _date(int(time.time())))
        if self.request_version == "HTTP/1.0":
            fields.append(("Connection", "close" if self.close_connection else "keep-alive"))
        self.headers_sent = True
        self._sendall(head(HTTPStatus.OK, fields) + body)

    def finalize_headers(self) -> None:
        """Complete the head of a WSGI answer; called once, just before it is sent."""
        fields = [(str(n, "latin-1"), str(v, "latin-1")) for n, v in self.response_headers]
        self.response_headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in self.passed(self.code, fields)
        ]
        super().finalize_headers()
        self._end_with_body()

    def _end_with_body(self) -> None:
        """A body whose end nothing else says ends with the connection.

        Source: RFC 9112 section 6.3, item 8: so it is with HTTP/1.0, which has no chunks.
        """
        fields = self.response_headers
        framed = self.response_use_chunked or any(n.lower() == b"content-length" for n, _ in fields)
        if not framed and self.code not in (204, 304) and self.command != "HEAD":
            self.close_connection = True
            kept = [(n, v) for n, v in fields if n.lower() != b"connection"]
            self.response_headers = [*kept, (b"Connection", b"close")]

    def take_over(self) -> bytes:
        """Give the connection to another protocol; returns bytes read ahead."""
        self.upgraded = True
        self.close_connection = True
        self.reader.detach_rest()
        read_ahead = self.rfile.read() or b""
        # 8 KiB less for as long as the connection lives
        self.rfile = self.wsgi_input.stream = io.BufferedReader(self.reader, 1)
        return read_ahead

    def process_result(self) -> None:
        """Write the response, unless the connection was taken over."""
        self.wsgi_input.let_go()  # who reads the answer may take his time
        if self.upgraded:
            return
        if not self.status or self.headers_sent:  # it has been answered past WSGI
            super().process_result()
        elif wait_s := self._held_back_s(self.code):
            self.close_connection = True
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, wait_s)
        elif self.command == "HEAD":
            self.write(b"")  # the head alone. Source: RFC 9112 section 6.3, item 1
        else:
            super().process_result()

    def _held_back_s(self, status: int) -> int:
        return self.server.chain.held_back_s(self._answer(status, []))

    def handle_one_response(self) -> None:
        """Run the application; afterwards the body must have been consumed."""
        super().handle_one_response()
        self.server.idle.is_busy(self.connection)
        if self.upgraded or not self.wsgi_input.complete:
            self.close_connection = True

    def run_application(self) -> None:
        """Run the application, then give the rest of the body a new deadline."""
        try:
            super().run_application()
        finally:
            self.wsgi_input.let_go()
            self.reader.allow(self.limits.discard_s)
            if not self.wsgi_input.complete:  # answered, and the client may never go on
                self.server.idle.begins(self.connection)

    def _sendall(self, data: bytes | bytearray) -> None:
        self.connection.send_all(data)
        self.response_length += len(data)

    def log_request(self) -> None:
        """The request that the application has seen is over."""
        answer = self._answered or self._answer(0, [])
        self._answered = None
        self.server.chain.is_over(answer)

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        """An exception left the application: log it, answer 500 if possible."""
        # the client left or stalled, or was cut off by our stop: no failure of the application
        if isinstance(error, OSError | gevent.GreenletExit):
            self.close_connection = True
            return
        _log.error("unhandled error in the application", exc_info=(kind, error, trace))
        self._send_error_response_if_possible(500)

    def _send_error_response_if_possible(self, error_code: int) -> None:
        self.close_connection = True
        if not self.headers_sent and not self.upgraded:  # else it has passed the chain already
            try:
                self._refuse(error_code)
            except OSError as error:
                _log.debug("client left before its refusal: %s", error)

    def _refuse(self, status: int, retry_after_s: int = 0) -> None:
        """Answer by itself, on a connection that ends with it."""
        self.headers_sent = True
        told = [("Retry-After", str(retry_after_s))] if retry_after_s else []
        answer = self._answer(status, told)
        refusal = self.server.chain.refusal(answer)
        if self.route != UNREAD:  # ``log_request`` comes after it
            self._answered = answer
            self.connection.send_all(refusal)
            return
        try:
            self.connection.send_all(refusal)
        finally:
            self.server.chain.is_over(answer)

    def _handle_client_error(self, error: BaseException) -> tuple[str, bytes] | None:
        """Status and body, for ``handle``, which makes the body itself; ``None``: no answer."""
        if isinstance(error, BadRequest):
            status = error.status
        elif isinstance(error, HeaderTooLarge):
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        elif isinstance(error, TimeoutError):
            status = HTTPStatus.REQUEST_TIMEOUT
        elif isinstance(error, ValueError | LookupError) or "HTTP" in type(error).__name__:
            status = HTTPStatus.BAD_REQUEST
        elif isinstance(error, OSError):
            return None
        else:
            _log.error("unhandled error while reading a header", exc_info=error)
            status = HTTPStatus.BAD_REQUEST
        return str(int(status)), b""
