"""``/healthz``, ``/readyz`` and ``/metrics``: how the service is.

``/healthz`` says that this process answers, ``/readyz`` that the engine takes
requests; neither needs a key or tells more. Metrics are for this machine, or
for whoever has a key.
"""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from vibecell.gateway.current_request import client_connection
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
        if not client_connection().is_local:
            gateway.caller()
        text = gateway.metrics.text(_health(gateway), gateway.quota.open)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return routes


def _health(gateway: Gateway) -> Health | None:
    try:
        return gateway.executor.health()
    except VibecellError:
        return None  # whatever the reason, it is not ready
