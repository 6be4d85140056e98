"""``POST /v1/tokens`` and ``POST /v1/tickets``: less than what one has, to be given away."""

from flask import Blueprint, Response

from vibecell.gateway.current_request import client_connection, json_body
from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.parts import Gateway
from vibecell.wire.derivations import (
    decode_ticket_request,
    decode_token_request,
    encode_ticket,
    encode_token,
)


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("issuing", __name__)

    @routes.post("/v1/tokens")
    def token() -> Response:
        caller = gateway.caller()
        with gateway.quota.calling(caller.owner):
            wanted = decode_token_request(json_body(gateway.policy.body_bytes))
            gateway.audit.require_possible()
            made = gateway.authenticator.tokens.mint(caller, wanted)
        came_from = gateway.provenance(client_connection(), caller)
        gateway.audit.token_issued(caller, came_from, wanted.user, made.scopes, made.expires_at)
        return json_response(encode_token(made.text, made.expires_at), 201)

    @routes.post("/v1/tickets")
    def ticket() -> Response:
        caller = gateway.caller()
        with gateway.quota.calling(caller.owner):
            execution_id = decode_ticket_request(json_body(gateway.policy.body_bytes))
            made = gateway.authenticator.ticket(caller, execution_id)
        return json_response(encode_ticket(made.text, made.expires_at), 201)

    return routes
