"""The application: every endpoint, behind one set of rules.

Owns what applies to all requests on their way in: the accepted host names,
errors as problem+json. What applies to all answers on their way out is in
``answer_steps.py``. Refuses to know which executor it talks to.
"""

from flask import Flask, Request, Response, request
from werkzeug.routing import MapAdapter

from vibecell.gateway.api import (
    documents,
    execute,
    executions,
    health,
    issuing,
    languages,
    listing,
    pages,
    streams,
)
from vibecell.gateway.host_names import check_host
from vibecell.gateway.parts import Gateway
from vibecell.gateway.shortcut import Shortcut


class _Application(Flask):
    """Flask, routing an upgrade request like any other GET."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The adapter; the endpoint itself answers what is no handshake."""
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            adapter.websocket = False
        return adapter


def create_app(gateway: Gateway) -> Flask:
    """A WSGI application that serves one gateway."""
    app = _Application("vibecell", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(lambda: _note_route_and_check_host(gateway))
    app.before_request(lambda: _preflight(gateway))
    app.register_error_handler(Exception, gateway.refusal)
    for blueprint in (
        execute.blueprint(gateway),
        executions.blueprint(gateway),
        listing.blueprint(gateway),
        streams.blueprint(gateway),
        pages.blueprint(gateway),
        languages.blueprint(gateway),
        issuing.blueprint(gateway),
        health.blueprint(gateway),
        documents.blueprint(gateway.address),
    ):
        app.register_blueprint(blueprint)
    shortcut = Shortcut(gateway, app.wsgi_app)
    app.wsgi_app = gateway.address.without_prefix(shortcut)  # type: ignore[assignment, method-assign]
    return app


def _note_route_and_check_host(gateway: Gateway) -> None:
    if request.url_rule is not None:
        request.environ["vibecell.handler"].route = request.url_rule.rule
    check_host(request.headers.get("Host", "localhost"), gateway.local_names_only)


def _preflight(gateway: Gateway) -> Response | None:
    """An answer to the browser of a page that would ask, unless the endpoint has its own."""
    if not getattr(request.url_rule, "provide_automatic_options", True):
        return None
    return gateway.cross_origin.preflight(request.environ)
