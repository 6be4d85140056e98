"""``/healthz``, ``/readyz`` and ``/metrics``: how the service is.

``/healthz`` says that this process answers, ``/readyz`` that the engine takes
requests; neither needs a key or tells more. Metrics are for this machine, or
for whoever has a key. A page in a browser of this machine is neither: it is told by its
origin, or by the name that it had to be asked by to pass for one of ours.
"""

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from vibecell.gateway.current_request import client_connection
from vibecell.gateway.host_names import Misdirected, check_host
from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.parts import Gateway
from vibecell.model.errors import VibecellError
from vibecell.model.status import Health


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @routes.get("/readyz")
    def readyz() -> Response:
        health = _health(gateway)
        if health is not None and health.ready:
            return json_response({"status": "ready"})
        response = json_response({"status": "not ready"}, 503)
        response.headers["Retry-After"] = "1"
        return response

    @routes.get("/metrics")
    def metrics() -> Response:
        if not _is_of_this_machine(gateway):
            gateway.caller()
        text = gateway.metrics.text(_health(gateway), gateway.quota.open)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return routes


def _is_of_this_machine(gateway: Gateway) -> bool:
    """Whether a program of this machine asks, and no page that a browser shows here."""
    connection = client_connection()
    if not connection.is_local or connection.origin is not None:
        return False
    try:
        check_host(request.headers.get("Host", "localhost"), gateway.policy.local_names_only)
    except Misdirected:
        return False
    return True


def _health(gateway: Gateway) -> Health | None:
    try:
        return gateway.executor.health()
    except VibecellError:
        return None  # whatever the reason, it is not ready
