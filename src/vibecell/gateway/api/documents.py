"""``/openapi.json``, ``/docs`` and ``/``: what people and tools read first.

Owns serving built files with the right policy; refuses paths: what may be
served is listed once, at start, so no request ever names a file.
"""

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from vibecell.gateway import security_headers
from vibecell.gateway.api import openapi
from vibecell.wire.json_text import compact_json

HERE = Path(__file__).parent.parent
PLAYGROUND = HERE / "playground" / "dist"
DOCUMENTATION = HERE / "documentation"
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+\Z")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, in memory."""

    content: bytes
    media_type: str
    unchanging: bool


def load_assets(folder: Path) -> dict[str, Asset]:
    """Every file under a folder, by its relative path; empty if it is absent."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0]
            found[name] = Asset(
                path.read_bytes(),
                kind or "application/octet-stream",
                _HASHED.search(name) is not None,
            )
    return found


def blueprint(playground: Path = PLAYGROUND) -> Blueprint:
    """The endpoints; files are read once, here."""
    routes = Blueprint("documents", __name__)
    page, documentation = load_assets(playground), load_assets(DOCUMENTATION)
    description = compact_json(openapi.describe())

    @routes.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(description, mimetype="application/json")

    @routes.get("/docs")
    def docs() -> Response:
        return _serve(documentation, "docs.html", security_headers.DOCS_POLICY)

    @routes.get("/docs/<name>")
    def docs_asset(name: str) -> Response:
        return _serve(documentation, name, security_headers.DOCS_POLICY)

    @routes.get("/")
    def index() -> Response:
        if "index.html" not in page:
            raise NotFound("the playground is not part of this installation; see /docs")
        scheme = "wss" if request.is_secure else "ws"
        policy = security_headers.PLAYGROUND_POLICY.format(websocket=f"{scheme}://{request.host}")
        return _serve(page, "index.html", policy)

    @routes.get("/assets/<path:name>")
    def asset(name: str) -> Response:
        return _serve(page, f"assets/{name}", security_headers.API_POLICY)

    return routes


def _serve(assets: dict[str, Asset], name: str, policy: str) -> Response:
    asset = assets.get(name)
    if asset is None:
        raise NotFound
    response = Response(asset.content, content_type=asset.media_type)
    response.headers["Content-Security-Policy"] = policy
    response.headers["Cache-Control"] = (
        "public, max-age=31536000, immutable" if asset.unchanging else "no-cache"
    )
    return response
