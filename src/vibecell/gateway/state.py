"""What the endpoints of one gateway share.

Owns their wiring and the questions every endpoint asks of a request; refuses
module-level state: two gateways in one process do not meet.
"""

import time
from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from vibecell.executor import Executor
from vibecell.gateway.auth import Authenticator
from vibecell.gateway.metrics import Metrics
from vibecell.gateway.page_files import PageFiles
from vibecell.gateway.policy import Policy
from vibecell.gateway.quota import Quota
from vibecell.gateway.watchers import Watchers
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.wire import decode_execute, strict_json_loads, to_execution_request


class Gateway:
    """The parts of one gateway."""

    def __init__(self, executor: Executor, policy: Policy) -> None:
        self.executor = executor
        self.policy = policy
        self.authenticator = Authenticator(policy)
        self.quota = Quota(policy)
        self.watchers = Watchers(executor, policy.disconnect_grace_s)
        self.page_files = PageFiles(policy.record_ttl_s, policy.record_bytes)
        self.metrics = Metrics()
        self._offer = Offer(())
        self._offer_until = 0.0

    def owner(self) -> str:
        """Who makes the current request; raises what ``Authenticator`` does."""
        return self.authenticator.owner(request.environ)

    def offer(self) -> Offer:
        """What can be run, asked of the engine now and then.

        Raises:
            EngineUnavailable: it is not known, and cannot be asked.
        """
        if time.monotonic() >= self._offer_until:
            self._offer = self.executor.offer()
            self._offer_until = time.monotonic() + self.policy.languages_ttl_s
        return self._offer

    def execution_request(self, value: object) -> ExecutionRequest:
        """The request a parsed JSON value means; raises ``RequestError``."""
        return to_execution_request(
            decode_execute(value), self.offer(), self.policy.limits, self.policy.ceiling
        )

    def remember_page(self, execution_id: str, asked: ExecutionRequest) -> None:
        """Note the files of an execution that was just begun, if it is a page."""
        language = self.offer().find(asked.request_class, asked.language, asked.version)
        if language.mode == "page":
            entry = asked.entrypoint or language.entrypoint
            self.page_files.remember(execution_id, entry, {f.path: f.content for f in asked.files})


def json_body(limit_bytes: int) -> object:
    """The current request's body, of at most ``limit_bytes``, as a JSON value.

    Raises:
        UnsupportedMediaType: another content type (a cross-site form can send
            text/plain, never JSON, without asking), or a content encoding.
        RequestEntityTooLarge: too many bytes, declared or sent.
        MalformedRequest: no strict JSON.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("the body must be application/json")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("JSON is UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("a content encoding is not accepted")
    return strict_json_loads(read_body(request.environ, limit_bytes))


def read_body(environ: Mapping[str, Any], limit_bytes: int) -> bytes:
    """The whole body of a request.

    Raises:
        RequestEntityTooLarge: too many bytes, declared or sent.
    """
    # not by Flask: its stream cuts a chunked body at the limit without a word,
    # and tells a deadline from a disconnect no more
    declared = int(environ.get("CONTENT_LENGTH") or 0)
    if declared > limit_bytes:
        raise RequestEntityTooLarge(f"a body has at most {limit_bytes} bytes")
    stream = environ["wsgi.input"]
    body = bytearray()
    while piece := stream.read(min(65536, limit_bytes + 1 - len(body))):
        body += piece
        if len(body) > limit_bytes:
            raise RequestEntityTooLarge(f"a body has at most {limit_bytes} bytes")
    return bytes(body)


def query_number(name: str) -> int | None:
    """A non-negative whole number of the query string.

    Raises:
        BadRequest: it is something else.
    """
    given = request.args.getlist(name)
    if not given:
        return None
    if len(given) > 1 or not given[0].isascii() or not given[0].isdigit() or len(given[0]) > 12:
        raise BadRequest(f"{name} must be one whole number")
    return int(given[0])


def client_connection() -> Any:
    """The connection of the current request."""
    return request.environ["vibecell.handler"].connection
