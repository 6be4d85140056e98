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
import json
import logging
import socket
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from gevent.pywsgi import WSGIHandler, format_date_time, unquote_latin1

from vibecell.gateway import security_headers
from vibecell.gateway.http.connection import Connection, HeaderTooLarge, RequestReader
from vibecell.gateway.http.header_fields import Fields, WrongFields
from vibecell.gateway.http.request_body import Body
from vibecell.gateway.http.request_head import BadRequest, body_length, closes, request_line
from vibecell.gateway.http.serving import Serving

_log = logging.getLogger(__name__)


def plain_refusal(status: HTTPStatus) -> bytes:
    """A complete problem+json response for a request no application will see."""
    told = {"type": "about:blank", "title": status.phrase, "status": int(status)}
    body = json.dumps(told).encode()
    fields = [
        f"HTTP/1.1 {int(status)} {status.phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in security_headers.API),
    ]
    return "\r\n".join(fields).encode("ascii") + b"\r\n\r\n" + body


@lru_cache(1)
def _date(now_s: int) -> bytes:
    return bytes(format_date_time(now_s))


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection: reads requests, runs the application, writes responses."""

    server: Serving
    rfile: Any

    def __init__(self, sock: Any, address: Any, server: Serving) -> None:
        peer = address[0] if isinstance(address, tuple) else "unix"
        self.limits = server.limits
        self.connection = Connection(sock, peer, self.limits.stall_s, server.trace)
        self.reader = RequestReader(self.connection)
        self.upgraded = False
        super().__init__(sock, address, server, rfile=io.BufferedReader(self.reader, 8192))

    def handle(self) -> None:
        """Serve requests until one side closes; never raises."""
        try:
            while (answer := self._serve_one()) is True:
                if self.server.stopping:
                    return
            if isinstance(answer, tuple):
                self.connection.send_all(answer[1])
                self._linger()
        except OSError as error:
            _log.debug("connection of %s ended: %s", self.connection.peer, error)
        finally:
            self.connection.abort()
            self.socket.close()

    def _serve_one(self) -> object:
        try:
            return self.handle_one_request()
        except (BadRequest, HeaderTooLarge, WrongFields) as error:
            return self._handle_client_error(error)

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
        self.reader.allow(self.limits.idle_s)
        if not self.rfile.peek(1):
            return ""
        self.connection.request_begins()
        self.reader.allow(self.limits.header_s, self.limits.header_bytes)
        try:
            line: str = super().read_requestline()
        except TimeoutError as error:
            raise BadRequest(HTTPStatus.REQUEST_TIMEOUT) from error
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """Parse the header and refuse what could be read in two ways.

        Raises:
            BadRequest: names the status to answer.
            WrongFields: the header is none.
        """
        self.command, self.path, self.request_version = request_line(raw_requestline)
        self.fields = Fields.read(self.rfile)
        self.content_length = body_length(self.command, self.request_version, self.fields)
        self.close_connection = closes(self.request_version, self.fields)
        self.reader.allow(self.limits.body_s)
        return True

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment, with this handler and a bounded body in it."""
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
        waits = environ.get("HTTP_EXPECT") == "100-continue"
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        body = Body(self.rfile, self.content_length, self.socket if waits else None, chunked)
        body.discard_bytes = self.limits.discard_bytes
        body.complete = True
        self.wsgi_input: Any = body
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        environ["vibecell.handler"] = self
        return environ

    def reply(self, fields: bytes, body: bytes) -> None:
        """Answer 200 in one piece, past WSGI; the application then returns nothing.

        Args:
            fields: complete lines of the header, without length, date and connection.
        """
        head = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\nDate: %b\r\n" % (
            fields,
            len(body),
            _date(int(time.time())),
        )
        if self.request_version == "HTTP/1.0":
            kept = b"close" if self.close_connection else b"keep-alive"
            head += b"Connection: %b\r\n" % kept
        self.headers_sent = True
        self._sendall(b"%b\r\n%b" % (head, body))

    def take_over(self) -> bytes:
        """Give the connection to another protocol; returns bytes read ahead."""
        self.upgraded = True
        self.close_connection = True
        self.reader.detach_rest()
        read_ahead = self.rfile.read() or b""
        # 8 KiB less for as long as the connection lives
        self.rfile = self.wsgi_input.rfile = io.BufferedReader(self.reader, 1)
        return read_ahead

    def process_result(self) -> None:
        """Write the response, unless the connection was taken over."""
        if not self.upgraded:
            super().process_result()

    def handle_one_response(self) -> None:
        """Run the application; afterwards the body must have been consumed."""
        super().handle_one_response()
        if self.upgraded or not self.wsgi_input.complete:
            self.close_connection = True

    def run_application(self) -> None:
        """Run the application, then give the rest of the body a new deadline."""
        try:
            super().run_application()
        finally:
            self.reader.allow(self.limits.discard_s)

    def _sendall(self, data: bytes | bytearray) -> None:
        self.connection.send_all(data)
        self.response_length += len(data)

    def log_request(self) -> None:
        """Nothing: the application logs and counts what it answers."""

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        """An exception left the application: log it, answer 500 if possible."""
        if isinstance(error, OSError):  # the client left or stalled: not our failure
            self.close_connection = True
            return
        _log.error("unhandled error in the application", exc_info=(kind, error, trace))
        self._send_error_response_if_possible(500)

    def _send_error_response_if_possible(self, error_code: int) -> None:
        self.close_connection = True
        if not self.response_length and not self.upgraded:
            try:
                self.connection.send_all(plain_refusal(HTTPStatus(error_code)))
            except OSError as error:
                _log.debug("client left before its refusal: %s", error)

    def _handle_client_error(self, error: BaseException) -> tuple[str, bytes] | None:
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
        return str(int(status)), plain_refusal(status)
