"""Every language of the catalogue, through the real service: one file, one matrix."""

import base64
import json
import urllib.request
from typing import Any

import pytest
from websockets.sync.client import connect

from host import lacking
from vibecell.languages.catalogue import Catalogue, Description, describe
from vibecell.sandbox.images.rootfs import Image

EXECUTED = [d for d in describe() if d.language.mode != "page"]
NAMES = [d.language.name for d in EXECUTED]
each = pytest.mark.parametrize("description", EXECUTED, ids=NAMES)

FAILING = {
    "python": ("import sys\nprint('before')\nsys.exit(7)", 7),
    "javascript": ("console.log('before'); process.exit(7)", 7),
    "bash": ("echo before\nexit 7", 7),
}
ECHO = {
    "python": "import sys\nprint(sys.stdin.read().upper(), end='')",
    "javascript": "process.stdin.on('data', d => process.stdout.write(d.toString().toUpperCase()))",
    "bash": "tr a-z A-Z",
}
ARGUMENTS = {
    "python": "import sys\nprint(*sys.argv[1:], sep='|')",
    "javascript": "console.log(process.argv.slice(2).join('|'))",
    "bash": "IFS='|'; echo \"$*\"",
}
ENVIRONMENT = {
    "python": "import os\nprint(os.environ['GREETING'])",
    "javascript": "console.log(process.env.GREETING)",
    "bash": 'echo "$GREETING"',
}
SECOND_FILE = {
    "python": ("from part import answer\nprint(answer)", "part.py", "answer = 42\n"),
    "javascript": (
        "console.log(require('./part').answer)", "part.js", "exports.answer = 42;\n",
    ),
    "bash": ("source ./part.sh\necho $answer", "part.sh", "answer=42\n"),
}  # fmt: skip
BROKEN = {
    "python": ("print('a'", "SyntaxError"),
    "javascript": ("console.log('a'", "SyntaxError"),
    "bash": ("if then", "syntax error"),
}


LENGTHS = {
    "python": "import sys\nfor line in sys.stdin: print(len(line), flush=True)",
    "javascript": "require('readline').createInterface({ input: process.stdin })"
                  ".on('line', (line) => console.log(line.length + 1))",
    "bash": "while IFS= read -r line; do echo $((${#line} + 1)); done",
}  # fmt: skip
SIZE = {
    "python": "import os\nprint(*os.get_terminal_size())",
    "javascript": "console.log(`${process.stdout.columns} ${process.stdout.rows}`)",
    "bash": "read rows columns < <(stty size); echo $columns $rows",
}
ASKED_AGAIN = {
    "python": "import sys\nprint(repr(sys.stdin.read())); print(repr(sys.stdin.read()))",
    "javascript": "process.stdin.on('data', (data) => console.log(JSON.stringify(String(data))))\n"
                  "  .on('end', () => console.log('\\'\\''))",
    "bash": "echo \"'$(cat)'\"; echo \"'$(cat)'\"",
}  # fmt: skip


@pytest.fixture(autouse=True)
def available(request: pytest.FixtureRequest, prepared: tuple[Image, Catalogue]) -> None:
    description: Description | None = getattr(
        request.node, "callspec", None
    ) and request.node.callspec.params.get("description")
    if description is not None and description.language.name not in prepared[1].by_name:
        lacking(f"{description.needs.program}: {description.needs.mend}")


def execute(url: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/execute",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert isinstance(answer, dict)
    return answer


@each
def test_smoke_program(service_url: str, description: Description) -> None:
    assert description.smoke is not None
    answer = execute(
        service_url, language=description.language.name, code=description.smoke.read_text()
    )
    assert (answer["error"], answer["output"]) == ("", description.smoke_output)
    assert answer["success"] is True
    assert answer["verdict"] == "accepted"


@each
def test_example_runs(service_url: str, description: Description) -> None:
    language = description.language
    answer = execute(service_url, language=language.name, code=language.example, stdin="Ada\n")
    assert answer["verdict"] == "accepted", answer


@each
def test_every_alias_means_the_language(service_url: str, description: Description) -> None:
    for alias in (*description.language.aliases, description.language.name.upper()):
        answer = execute(service_url, language=alias, code=FAILING[description.language.name][0])
        assert answer["output"] == "before\n"


@each
def test_a_failing_program_keeps_its_output_and_status(
    service_url: str, description: Description
) -> None:
    code, status = FAILING[description.language.name]
    answer = execute(service_url, language=description.language.name, code=code)
    assert answer["success"] is False
    assert answer["verdict"] == "runtime_error"
    assert (answer["output"], answer["exit_code"]) == ("before\n", status)


@each
def test_standard_input(service_url: str, description: Description) -> None:
    answer = execute(
        service_url,
        language=description.language.name,
        code=ECHO[description.language.name],
        stdin="grüße\nzwei",
    )
    assert answer["output"].casefold() == "grüße\nzwei".upper().casefold() or (
        answer["output"] == "GRüßE\nZWEI"  # tr knows bytes only
    )


@each
def test_arguments(service_url: str, description: Description) -> None:
    answer = execute(
        service_url,
        language=description.language.name,
        code=ARGUMENTS[description.language.name],
        args=["one", "two words", "--three=3", "ü"],
    )
    assert answer["output"] == "one|two words|--three=3|ü\n"


@each
def test_environment(service_url: str, description: Description) -> None:
    answer = execute(
        service_url,
        language=description.language.name,
        code=ENVIRONMENT[description.language.name],
        env={"GREETING": "hello"},
    )
    assert answer["output"] == "hello\n"


@each
def test_several_files(service_url: str, description: Description) -> None:
    language = description.language
    main, path, part = SECOND_FILE[language.name]
    answer = execute(
        service_url,
        language=language.name,
        files=[
            {"path": language.entrypoint, "content": main},
            {"path": path, "content_base64": base64.b64encode(part.encode()).decode()},
        ],
    )
    assert (answer["error"], answer["output"]) == ("", "42\n")


@each
def test_another_entrypoint(service_url: str, description: Description) -> None:
    language = description.language
    suffix = language.entrypoint.rpartition(".")[2]
    answer = execute(
        service_url,
        language=language.name,
        files=[{"path": f"other.{suffix}", "content": FAILING[language.name][0]}],
        entrypoint=f"other.{suffix}",
    )
    assert (answer["output"], answer["exit_code"]) == ("before\n", 7)


@each
def test_a_broken_program_says_where(service_url: str, description: Description) -> None:
    code, said = BROKEN[description.language.name]
    answer = execute(service_url, language=description.language.name, code=code)
    assert answer["success"] is False
    assert said in answer["error"]


@pytest.mark.parametrize(
    "package", ["numpy", "pandas", "matplotlib.pyplot", "PIL.Image", "sympy", "requests"]
)
def test_python_packages(service_url: str, package: str) -> None:
    code = f"import {package} as m\nprint(m.__name__)"
    answer = execute(service_url, language="python", code=code)
    assert (answer["error"], answer["output"]) == ("", f"{package}\n")


def test_a_missing_package_is_named(service_url: str) -> None:
    answer = execute(service_url, language="python", code="import no_such_package_at_all")
    assert answer["success"] is False
    assert "no_such_package_at_all" in answer["error"]


def test_a_page_is_shown_and_not_executed(service_url: str) -> None:
    answer = execute(service_url, language="html", code="<h1>Hello</h1>")
    assert answer["success"] is True


def converse(url: str, *script: tuple[str, dict[str, Any]], **body: Any) -> dict[str, Any]:
    """Send each control once a text has been printed since the one before; return the result."""
    stream = f"{url.replace('http', 'ws', 1)}/v1/executions/stream"
    with connect(stream, proxy=None) as websocket:
        websocket.send(json.dumps({"type": "execute", **body}))
        left, said = list(script), ""
        while True:
            while left and left[0][0] in said:
                said = ""
                websocket.send(json.dumps(left.pop(0)[1]))
            event = json.loads(websocket.recv(30))
            if event["type"] == "stream":
                said += event["data"]
            if event["type"] == "finished":
                result: dict[str, Any] = event["result"]
                return result


def typed(text: str) -> dict[str, Any]:
    return {"type": "stdin", "data": text}


@each
def test_a_program_talks_to_a_program(service_url: str, description: Description) -> None:
    """Without a terminal: a line is as long as it is, and an answer comes while input is open."""
    name = description.language.name
    result = converse(
        service_url,
        ("6\n", typed("x" * 9 + "\n")),
        ("10\n", typed("x" * 99_999 + "\n")),
        ("100000\n", {"type": "end_of_input"}),
        language=name, code=LENGTHS[name], interactive="pipe", stdin="first\n",
    )  # fmt: skip
    assert (result["verdict"], result["stdout"]) == ("accepted", "6\n10\n100000\n")


@each
def test_a_terminal_has_its_size_from_the_start(service_url: str, description: Description) -> None:
    name = description.language.name
    result = converse(
        service_url, language=name, code=SIZE[name], interactive=True, columns=132, rows=43
    )
    assert (result["verdict"], result["stdout"]) == ("accepted", "132 43\r\n")


@each
def test_the_input_of_a_terminal_ends_in_mid_line(
    service_url: str, description: Description
) -> None:
    name = description.language.name
    result = converse(
        service_url,
        ("", typed("no newline")),
        ("no newline", {"type": "end_of_input"}),
        language=name, code=ASKED_AGAIN[name], interactive=True,
    )  # fmt: skip
    said = result["stdout"].removeprefix("no newline").replace('"', "'").split()
    assert (result["verdict"], said) == ("accepted", ["'no", "newline'", "''"]), result
