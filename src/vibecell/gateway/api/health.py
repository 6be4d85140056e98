"""``/healthz``, ``/readyz`` and ``/metrics``: how the service is.

``/healthz`` says that this process answers, ``/readyz`` that the engine takes
requests; neither needs a key or tells more. Metrics are for who has a credential with the scope
``metrics``; as long as there is no key at all and no listener of their own, for programs of this
machine, which may do everything then.
"""

from flask import Blueprint, Response, request

from vibecell.gateway.exposition import MEDIA_TYPE
from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.metrics_door import is_asked_directly
from vibecell.gateway.parts import Gateway
from vibecell.model.errors import MissingCredential, VibecellError
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
        _require_reader(gateway)
        text = gateway.metrics.text(gateway.executor, gateway.quota.open)
        return Response(text, content_type=MEDIA_TYPE)

    return routes


def _require_reader(gateway: Gateway) -> None:
    """Refuse who may not read the metrics here.

    Raises:
        HTTPException, RequestError, PlatformError: as ``Gateway.caller`` says.
        MissingCredential: he showed no credential, and there are keys, or another listener is
            for that, or it is not certain that a program of this machine asks.
    """
    caller = gateway.caller()
    if caller.kind == "anonymous" and not (
        gateway.policy.anonymous_metrics
        and gateway.keys.anonymous_alone
        and is_asked_directly(request.environ)
    ):
        raise MissingCredential("metrics need a credential that has the scope metrics")


def _health(gateway: Gateway) -> Health | None:
    try:
        return gateway.executor.health()
    except VibecellError:
        return None  # whatever the reason, it is not ready
