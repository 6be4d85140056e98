"""``GET /v1/languages``."""

from flask import Blueprint, Response

from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.parts import Gateway
from vibecell.wire.views import encode_offer


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoint, for one gateway."""
    routes = Blueprint("languages", __name__)

    @routes.get("/v1/languages")
    def languages() -> Response:
        gateway.caller()
        return json_response(encode_offer(gateway.offer()))

    return routes
