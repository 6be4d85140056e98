"""A client that is made of /openapi.json alone: it builds, its types hold, and it runs programs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requests

from host import Service

KEY = "key-of-a-program-that-was-generated"
BUILD_S, CHECK_S, RUN_S = 60, 90, 60
PROGRAM = """
import base64
import sys

from vibecell_api import AuthenticatedClient
from vibecell_api.api.running import execute, get_execution, list_languages
from vibecell_api.models import ExecuteBody, ExecuteReply, ExecutionView, OfferView, Problem

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key)
hello: ExecuteReply | Problem | None = execute.sync(
    client=client, body=ExecuteBody(code="print('hello')")
)
assert isinstance(hello, ExecuteReply), hello
print(hello.verdict.value, hello.output, end="")

echoed = execute.sync(
    client=client,
    body=ExecuteBody(code="print(input())", stdin_base64=base64.b64encode(b"tea").decode()),
)
assert isinstance(echoed, ExecuteReply), echoed
print(echoed.output, end="")

kept = get_execution.sync(hello.id, client=client)
assert isinstance(kept, ExecutionView), kept
print(kept.state.value, kept.result.stdout if kept.result else None, end="")

offer = list_languages.sync(client=client)
assert isinstance(offer, OfferView), offer
print("python" in [language.name for language in offer.languages])

refused = execute.sync(client=client, body=ExecuteBody(code="", language="cobol-74"))
assert isinstance(refused, Problem), refused
print(refused.type_.value)

stranger = AuthenticatedClient(base_url=url, token="a-key-of-nobody")
unknown = execute.sync_detailed(client=stranger, body=ExecuteBody(code=""))
assert isinstance(unknown.parsed, Problem), unknown
print(int(unknown.status_code), unknown.parsed.type_.value, unknown.headers["X-Request-Id"] != "")
"""
PRINTED = """\
accepted hello
tea
finished hello
True
urn:vibecell:problem:unsupported-language
401 urn:vibecell:problem:credential-wrong True
"""
WRONG = {
    "a_member_that_answers_do_not_have": ("hello.output", "hello.outputs"),
    "a_type_that_is_another": ("code=\"print('hello')\"", "code=7"),
    "a_parameter_that_there_is_not": ("(hello.id, client=client)", "(client=client)"),
}


@pytest.fixture(scope="module")
def service(start_service: Callable[[Mapping[str, str]], Service]) -> Service:
    return start_service({"VIBECELL_API_KEYS": KEY})


@pytest.fixture(scope="module")
def client(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the client lies, and a program that uses it."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    document.write_bytes(requests.get(f"{service.url}/openapi.json", timeout=10).content)
    made = subprocess.run(
        [
            *(Path(sys.executable).with_name("openapi-python-client"), "generate"),
            *("--path", document, "--output-path", folder / "vibecell_api"),
            *("--meta", "none", "--fail-on-warning"),
        ],
        # it puts the style of what it made right with ruff
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (folder / "program.py").write_text(PROGRAM)
    yield folder


def _types_checked(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    command = [*(sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull)]
    return subprocess.run(
        [*command, "--follow-imports", "silent", "--cache-dir", str(folder / "cache"), program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        check=False,
    )


@pytest.mark.timeout(3 * CHECK_S)
def test_a_program_that_uses_it_is_sound_and_runs_hello(client: Path, service: Service) -> None:
    checked = _types_checked(client, "program.py")
    assert checked.returncode == 0, checked.stdout
    done = subprocess.run(
        [sys.executable, "program.py", service.url, KEY],
        cwd=client,
        env={**os.environ, "PYTHONPATH": str(client)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED


@pytest.mark.timeout(3 * CHECK_S)
@pytest.mark.parametrize("wrong", WRONG)
def test_its_types_refuse(client: Path, wrong: str) -> None:
    right, other = WRONG[wrong]
    assert right in PROGRAM
    (client / f"{wrong}.py").write_text(PROGRAM.replace(right, other))
    checked = _types_checked(client, f"{wrong}.py")
    assert checked.returncode == 1
    assert "Found 1 error" in checked.stdout, checked.stdout
