"""The application: every endpoint, behind one set of rules.

Owns what applies to all requests: the accepted host names, the security
headers, the bound on bodies, errors as problem+json, counting. Refuses to know
which executor it talks to.
"""

import re
import time

from flask import Flask, Request, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from vibecell.executor import Executor
from vibecell.gateway import security_headers
from vibecell.gateway.api import (
    documents,
    execute,
    executions,
    health,
    languages,
    pages,
    streams,
)
from vibecell.gateway.parts import Gateway
from vibecell.gateway.policy import Policy
from vibecell.gateway.problems import problem_of
from vibecell.gateway.shortcut import Shortcut
from vibecell.model.loopback import is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.\-_]{1,255})(?::[0-9]{1,5})?\Z")
_LOCAL_SUFFIX = ".localhost"
_LOCAL_HOSTS = ("localhost", "127.0.0.1")


class _Misdirected(HTTPException):
    """421. Source: RFC 9110 section 15.5.20."""

    code = 421


class _Application(Flask):
    """Flask, routing an upgrade request like any other GET."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The adapter; the endpoint itself answers what is no handshake."""
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            adapter.websocket = False
        return adapter


def create_app(executor: Executor, policy: Policy) -> Flask:
    """A WSGI application that serves one executor under one policy."""
    gateway = Gateway(executor, policy)
    app = _Application("vibecell", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(lambda: _begin(policy))
    app.after_request(lambda response: _finish(gateway, response))
    app.register_error_handler(Exception, _tell)
    for blueprint in (
        execute.blueprint(gateway),
        executions.blueprint(gateway),
        streams.blueprint(gateway),
        pages.blueprint(gateway),
        languages.blueprint(gateway),
        health.blueprint(gateway),
        documents.blueprint(),
    ):
        app.register_blueprint(blueprint)
    app.wsgi_app = Shortcut(  # type: ignore[method-assign]
        gateway, lambda host: _check_host(host, policy), _tell, app.wsgi_app
    )
    return app


def _begin(policy: Policy) -> None:
    g.began = time.perf_counter()
    _check_host(request.headers.get("Host", "localhost"), policy)


def _check_host(host: str, policy: Policy) -> None:
    if host in _LOCAL_HOSTS:
        return
    match = _HOST.match(host)
    if match is None:
        raise _Misdirected("the Host header names no host")
    name = match.group(1).strip("[]").lower()
    if policy.local_names_only and not (is_loopback(name) or name.endswith(_LOCAL_SUFFIX)):
        raise _Misdirected("only names of this machine are served")


def _finish(gateway: Gateway, response: Response) -> Response:
    for name, value in security_headers.API:
        if name not in response.headers:
            response.headers[name] = value
    rule = request.url_rule.rule if request.url_rule is not None else None
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    gateway.metrics.answered(request.method, rule, response.status_code, seconds)
    return response


def _tell(error: Exception) -> Response:
    if isinstance(error, TimeoutError):
        # the body's deadline, kept by the server
        return _closing(problem_of(_http(408, "the body came too slowly")).response())
    if isinstance(error, OSError):
        # the body broke off, or is framed wrongly; what follows cannot be trusted
        return _closing(problem_of(_http(400, "the body is incomplete")).response())
    return problem_of(error).response()


def _http(code: int, description: str) -> HTTPException:
    error = HTTPException(description)
    error.code = code
    return error


def _closing(response: Response) -> Response:
    response.headers["Connection"] = "close"
    return response
