"""``POST /execute`` past the framework.

Owns the one request of which there are thousands: it is answered without Flask,
whose routing, contexts and response objects cost more than all that is done for
it here. Refuses to decide anything: that is ``api/execute.py``, for its Flask
view as well.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from vibecell.gateway import security_headers
from vibecell.gateway.api import execute
from vibecell.gateway.parts import Gateway
from vibecell.gateway.timing import NAME, server_timing
from vibecell.model.marks import Marks

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
_FIELDS = b"".join(
    f"{name}: {value}\r\n".encode("ascii")
    for name, value in (("Content-Type", "application/json"), *security_headers.API)
)


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
        """WSGI, but for a ``POST /execute`` that succeeds: see ``Handler.reply``."""
        if environ["PATH_INFO"] != execute.PATH or environ["REQUEST_METHOD"] != "POST":
            return self._application(environ, start_response)
        began_s = time.perf_counter()
        status = 200
        try:
            self._check_host(environ.get("HTTP_HOST", "localhost"))
            body = execute.answer(self._gateway, environ)
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


def _times(marks: Marks) -> bytes:
    times = server_timing(marks)
    return b"" if times is None else f"{NAME}: {times}\r\n".encode("ascii")
