"""The page that an HTML execution is, shown in a frame without any rights.

Owns serving its files under a policy that lets it reach nobody. The URL is the
capability: the id has 144 random bits and lives for minutes; a frame can send no
key, and none is asked for here. What runs before the page's own first line is
``preamble/``'s.
"""

from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.routing import PathConverter

from vibecell.gateway import security_headers
from vibecell.gateway.api.executions import checked_id
from vibecell.gateway.current_request import client_connection
from vibecell.gateway.media_types import HTML, media_type
from vibecell.gateway.parts import Gateway
from vibecell.gateway.preamble import with_preamble
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Display, Finished

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "600",
}


class _FilePath(PathConverter):
    """A path as werkzeug reads one, and with line breaks in its names."""

    regex = "(?s:[^/].*?)"


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("pages", __name__, url_prefix="/v1/executions")
    routes.record(lambda state: state.app.url_map.converters.update(file=_FilePath))

    def shown(execution_id: str, response: Response) -> Response:
        asked = gateway.address.asked_origin(request.environ)
        files = gateway.address.of(f"/v1/executions/{execution_id}/page/", asked)
        page = gateway.page_files.find(execution_id)
        of_key = client_connection().caller_origins if page is None else page.origins
        return _open_to_frames(response, files, gateway.cross_origin.framers(of_key or ()))

    @routes.get("/<execution_id>/page")
    def folder(execution_id: str) -> Response:  # as one, so that relative links work
        return shown(checked_id(execution_id), _elsewhere("page/"))

    @routes.get("/<execution_id>/page/", provide_automatic_options=False)
    def entry(execution_id: str) -> Response:
        page = gateway.page_files.find(checked_id(execution_id))
        if page is None:
            content = _displayed(gateway, execution_id)
            return shown(execution_id, _file("index.html", content, HTML))
        if "/" in page.entry:
            return shown(execution_id, _elsewhere(f"./{quote(page.entry)}"))
        return shown(execution_id, _file(page.entry, page.files[page.entry], HTML))

    @routes.get("/<execution_id>/page/<file:path>", provide_automatic_options=False)
    def file(execution_id: str, path: str) -> Response:
        page = gateway.page_files.find(checked_id(execution_id))
        if page is None:
            raise UnknownExecution("no such execution")
        if path not in page.files:  # which the page may ask, and be told
            missing = Response("no such file", 404, content_type="text/plain; charset=utf-8")
            return shown(execution_id, missing)
        kind = HTML if path == page.entry else media_type(path)
        return shown(execution_id, _file(path, page.files[path], kind))

    @routes.route("/<execution_id>/page/", methods=["OPTIONS"])
    @routes.route("/<execution_id>/page/<file:path>", methods=["OPTIONS"])
    def preflight(execution_id: str, path: str = "") -> Response:
        response = shown(checked_id(execution_id), Response(status=204))
        response.headers.update(_PREFLIGHT)
        return response

    return routes


def _displayed(gateway: Gateway, execution_id: str) -> bytes:
    """The page as the engine shows it, where this gateway did not begin it."""
    owner = gateway.caller().owner
    with gateway.executor.attach(execution_id, owner) as conversation:
        if conversation.standing.state != "finished":  # a page is, at once
            raise UnknownExecution("this execution is no page")
        for numbered in conversation.events():
            event = numbered.event
            if isinstance(event, Display) and "text/html" in event.data:
                return event.data["text/html"].encode()
            if isinstance(event, Finished):
                break
    raise UnknownExecution("this execution is no page")


def _elsewhere(relative: str) -> Response:
    """A redirect that is right behind any proxy. Source: RFC 9110 section 10.2.2."""
    response = Response(status=302)
    response.autocorrect_location_header = False
    response.headers["Location"] = relative
    return response


def _file(path: str, content: bytes, kind: str) -> Response:
    if kind == HTML:
        content = with_preamble(content, path)
    return Response(content, content_type=kind)


def _open_to_frames(response: Response, files: str, framers: str) -> Response:
    policy = security_headers.PAGE_POLICY.format(files=files, framers=framers)
    response.headers["Content-Security-Policy"] = policy
    response.headers["Connection-Allowlist"] = security_headers.PAGE_CONNECTIONS
    # the frame's origin is opaque: its own files are foreign to it
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
