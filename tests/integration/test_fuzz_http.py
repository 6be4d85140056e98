"""Whatever is sent: no 500, no traceback, and the description tells the truth."""

import json
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from integration.live import Service

FUZZED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


def test_the_description_holds(service: Service) -> None:
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    tried = 0
    for found in schema.exclude(path_regex="/stream$|^/metrics$").get_all_operations():

        @FUZZED
        @given(found.ok().as_strategy())
        def holds(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, timeout=20)

        holds()
        tried += 1
    assert tried > 8


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["code", "language", "files", "stdin", "args", "env", "limits", "entrypoint", "version"]
)


@settings(FUZZED, max_examples=80)
@given(st.dictionaries(FIELDS, JSON_VALUES, max_size=4))
def test_any_value_in_any_field(service: Service, body: dict[str, Any]) -> None:
    answer = requests.post(f"{service.url}/execute", json=body, timeout=20)
    assert answer.status_code in (200, 400, 422), answer.text
    assert "Traceback" not in answer.text or answer.status_code == 200


@settings(FUZZED, max_examples=80)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_body(service: Service, data: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{service.url}/execute", data=data, headers=headers, timeout=20)
    assert answer.status_code in (400, 422)


@settings(FUZZED, max_examples=80)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_request(service: Service, data: bytes) -> None:
    with service.connect(5) as client:
        client.sendall(data + b"\r\n\r\n")
        client.shutdown(1)
        try:
            said = client.recv(65536)
        except ConnectionResetError:
            said = b""
    assert said[:10] in (b"", b"HTTP/1.1 4", b"HTTP/1.1 5")
    assert b"Traceback" not in said
    assert not said.startswith(b"HTTP/1.1 500")


def test_it_still_works(service: Service) -> None:
    assert json.loads(requests.get(f"{service.url}/healthz", timeout=5).text) == {"status": "ok"}
    assert service.is_unharmed()
