"""Where clients reach this gateway: as its operator has said, or as they ask.

Owns what is made of that: links, sources of policies, the origin of our own page, and the
prefix that a proxy may have left in a path. Refuses to believe what is forwarded but by
a trusted proxy (``http/forwarded.py``), and even that where the operator has said it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from vibecell.model.origins import DEFAULT_PORTS

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class PublicAddress:
    """What follows from ``Access.public_url``.

    Attributes:
        origin: as a browser says it; ``None`` where the operator said nothing.
        prefix: of all paths, without a slash at its end; mostly empty.
    """

    def __init__(self, public_url: str | None) -> None:
        self.origin: str | None = None
        self.prefix = ""
        if public_url is not None:
            url = urlsplit(public_url)
            port = "" if url.port in (None, DEFAULT_PORTS[url.scheme]) else f":{url.port}"
            self.origin = f"{url.scheme}://{url.hostname}{port}"
            self.prefix = url.path.rstrip("/")

    def of(self, path: str, asked_origin: str = "") -> str:
        """The address of a path of ours, for who asked for another at ``asked_origin``."""
        return (self.origin or asked_origin) + self.prefix + path

    def asked_origin(self, environ: Mapping[str, Any]) -> str:
        """The origin that a request asks, as far as it can tell or a trusted proxy does."""
        connection = environ["vibecell.handler"].connection
        host = connection.host or environ.get("HTTP_HOST", "localhost")
        return f"{connection.scheme or 'http'}://{host}"

    def without_prefix(self, application: Application) -> Application:
        """A WSGI application that takes paths with the prefix and without it.

        A proxy may take it away; one that passes a path on as it came rewrites no escape in it.
        """
        if not self.prefix:
            return application
        prefix, below = self.prefix, f"{self.prefix}/"

        def stripping(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == prefix:  # whose relative links would lead past it
                query = environ["QUERY_STRING"]
                there = self.of("/") + (f"?{query}" if query else "")
                start_response("308 Permanent Redirect", [("Location", there)])
                return ()
            if path.startswith(below):
                environ["PATH_INFO"] = path[len(prefix) :]
            return application(environ, start_response)

        return stripping
