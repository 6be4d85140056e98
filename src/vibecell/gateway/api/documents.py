"""``/openapi.json``, ``/docs`` and ``/``: what people and tools read first.

Owns which built file is served where, and with which policy.
"""

from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from vibecell.gateway import security_headers
from vibecell.gateway.api import openapi
from vibecell.gateway.built_files import BuiltFiles
from vibecell.gateway.public_address import PublicAddress
from vibecell.wire.json_text import compact_json

HERE = Path(__file__).parent.parent
PLAYGROUND = HERE / "playground" / "dist"
DOCUMENTATION = HERE / "documentation" / "dist"


def blueprint(address: PublicAddress, playground: Path = PLAYGROUND) -> Blueprint:
    """The endpoints; files are read once, here."""
    routes = Blueprint("documents", __name__)
    page, documentation = BuiltFiles(playground), BuiltFiles(DOCUMENTATION)
    servers = {} if address.origin is None else {"servers": [{"url": address.of("")}]}
    description = compact_json({**openapi.describe(), **servers})

    @routes.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(description, mimetype="application/json")

    @routes.get("/docs")
    def docs() -> Response:
        return documentation.response("docs.html", request, security_headers.DOCS_POLICY)

    @routes.get("/docs/<name>")
    def docs_asset(name: str) -> Response:
        return documentation.response(f"docs/{name}", request, security_headers.DOCS_POLICY)

    @routes.get("/")
    def index() -> Response:
        if "index.html" not in page:
            raise NotFound("the playground is not part of this installation; see /docs")
        origin = address.origin or address.asked_origin(request.environ)
        websocket = origin.replace("http", "ws", 1)
        policy = security_headers.PLAYGROUND_POLICY.format(websocket=websocket)
        return page.response("index.html", request, policy)

    @routes.get("/assets/<path:name>")
    def asset(name: str) -> Response:
        return page.response(f"assets/{name}", request, security_headers.API_POLICY)

    return routes
