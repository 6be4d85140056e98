"""``POST /execute`` past the framework.

Owns the one request of which there are thousands: it is answered without Flask,
whose routing, contexts and response objects cost more than all that is done for
it here. Refuses to decide anything: that is ``api/execute.py``, for its Flask
view as well.
"""

from collections.abc import Callable, Iterable
from typing import Any

from vibecell.gateway.api import execute
from vibecell.gateway.host_names import check_host
from vibecell.gateway.json_bodies import MEDIA_TYPE
from vibecell.gateway.parts import Gateway

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Shortcut:
    """A WSGI application before another one.

    Args:
        gateway: what the endpoint needs.
        application: answers everything else.
    """

    def __init__(self, gateway: Gateway, application: Application) -> None:
        self._gateway = gateway
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI, but for a ``POST /execute`` that succeeds: see ``Handler.reply``."""
        if environ["PATH_INFO"] != execute.PATH or environ["REQUEST_METHOD"] != "POST":
            return self._application(environ, start_response)
        handler = environ["vibecell.handler"]
        handler.route = execute.PATH
        try:
            host = environ.get("HTTP_HOST", "localhost")
            check_host(host, self._gateway.local_names_only)
            body = execute.answer(self._gateway, environ)
        except Exception as error:
            return self._gateway.refusal(error)(environ, start_response)
        handler.reply([("Content-Type", MEDIA_TYPE)], body)
        return ()
