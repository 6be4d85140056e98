"""``POST /execute`` past the framework.

Owns the one request of which there are thousands: its plain form, JSON with a
length, is answered without Flask, whose routing, contexts and response objects
cost more than all that is done for it here. Refuses whatever is not plain: that
goes the common way, by the same code behind it (``api/execute.py``).
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from vibecell.gateway import security_headers
from vibecell.gateway.api import execute
from vibecell.gateway.json_bodies import read_body
from vibecell.gateway.parts import Gateway
from vibecell.gateway.timing import NAME, server_timing
from vibecell.model.marks import Marks
from vibecell.wire import compact_json, strict_json_loads

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
_FIELDS = b"".join(
    f"{name}: {value}\r\n".encode("ascii")
    for name, value in (("Content-Type", "application/json"), *security_headers.API)
)
_NOT_PLAIN = ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")


class Shortcut:
    """A WSGI application before another one.

    Args:
        gateway: what the endpoint needs.
        check_host: refuses a ``Host`` that is not served, by raising.
        tell: an error as a response, all but the security headers.
        application: answers everything else.
    """

    def __init__(
        self,
        gateway: Gateway,
        check_host: Callable[[str], None],
        tell: Callable[[Exception], Response],
        application: Application,
    ) -> None:
        self._gateway = gateway
        self._check_host = check_host
        self._tell = tell
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI, but for a plain ``POST /execute`` that succeeds: see ``Handler.reply``."""
        if not _is_plain(environ):
            return self._application(environ, start_response)
        began_s = time.perf_counter()
        status = 200
        try:
            body = self._run(environ)
        except Exception as error:
            response = self._tell(error)
            status = response.status_code
            for name, value in security_headers.API:
                response.headers.setdefault(name, value)
            return response(environ, start_response)
        else:
            handler = environ["vibecell.handler"]
            handler.reply(_FIELDS + _times(handler.connection.marks), body)
            return ()
        finally:
            seconds = time.perf_counter() - began_s
            self._gateway.metrics.answered("POST", execute.PATH, status, seconds)

    def _run(self, environ: dict[str, Any]) -> bytes:
        self._check_host(environ.get("HTTP_HOST", "localhost"))
        gateway = self._gateway

        def body() -> object:
            return strict_json_loads(read_body(environ, gateway.policy.body_bytes))

        owner = gateway.authenticator.owner(environ)
        return compact_json(execute.run(gateway, owner, environ, body)) + b"\n"


def _times(marks: Marks) -> bytes:
    marks.note("encoded")
    times = server_timing(marks)
    return b"" if times is None else f"{NAME}: {times}\r\n".encode("ascii")


def _is_plain(environ: dict[str, Any]) -> bool:
    return (
        environ["PATH_INFO"] == execute.PATH
        and environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == "application/json"
        and not any(name in environ for name in _NOT_PLAIN)
    )
