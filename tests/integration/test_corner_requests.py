"""Whatever a request asks for, its own mistake is never a failure of the platform.

Requests are drawn from the corners of what the description allows: the least and the most of each
limit, names that only a kernel could love, arguments as long as they may be, more files than room.
Each runs for real. It is refused by the name of what is wrong with it, or it ends with a verdict
that is not ``internal_error``; and what comes back can be sent again.
"""

import os
from typing import Any

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibecell.model.execution import check_together, validate_path

EXAMPLES = int(os.environ.get("VIBECELL_TEST_CORNERS", "60"))
WALL_TIME_MS = 700
PROGRAMS = {
    "python": (
        "print(1)",
        "import sys\nprint(len(sys.argv), sys.stdin.read(7))",
        "import os\nos.makedirs('-x\\n', exist_ok=True)\nopen('-x\\n/ü', 'w').write('1' * 9000)",
        "import os\nos.fork()\nos.kill(os.getpid(), 11)",
        "import subprocess\nsubprocess.run(['true'])\nprint('x' * 70_000)",
        "import os\nfor n in range(300): open(f'{n}', 'w').close()\nos.symlink('0', 'l')",
        "x = bytearray(80_000_000)\nopen('/tmp/x', 'wb').write(x)",
        "import numpy\nprint(numpy.ones(3).sum())",
    ),
    "javascript": (
        "console.log(1)",
        "require('fs').writeFileSync('b\\ta', Buffer.alloc(70000))",
        "console.log('x'.repeat(70000)); process.exit(3)",
        "require('child_process').execSync('true')",
        "new (require('worker_threads').Worker)('1', {eval: true})",
    ),
    "bash": (
        "echo 1",
        'echo "${#1}"; cat | wc -c',
        "head -c 70000 /dev/zero > z; ln -s z y; mkfifo x; kill -9 $$",
        "true | true & true; wait; exec 9<main.sh; echo $?",
        "for n in 1 2 3; do\r\n  echo $n\r\ndone\r\n",
    ),
}
LIMITS = {
    "wall_time_ms": (1, 2, 20, WALL_TIME_MS),
    "cpu_time_ms": (1, 2, 20, 1000, 120_000),
    "memory_bytes": (1, 4096, 1_000_000, 10_000_000, 60_000_000, 2**31, 2**53),
    "processes": (1, 2, 3, 5, 256),
    "open_files": (1, 3, 4, 5, 8, 18, 1024),
    "workspace_bytes": (1, 4096, 4097, 70_000, 2**20, 2**29, 0),
    "output_bytes": (1, 2, 1024, 69_999, 2**26, -1),
}
NAMES = (
    "a", "b/c", "b", "-x", "+x", " ", "\n", "\x1b[31m", ".env", "...", "ü" * 127, "x" * 256,
    "図/図", "package.json", "random.py", "__pycache__/x", "d/" * 16 + "f", "d/" * 17 + "f", "a\\b",
    "..", "", "sitecustomize.py", "inspect", "main.py", "main.js", "main.sh", "x\0", "@s/p", "%",
)  # fmt: skip
TEXTS = (
    "", "x", "ü" * 30_000, "x" * 131_071, "x" * 131_072, "\x01" * 30_000, "\0", "a\nb", "-",
    "--help", "\r\n", "😀", "x" * 4096,
)  # fmt: skip
VARIABLES = (
    "A", "", "A=B", "PATH", "LD_PRELOAD", "PYTHONHOME", "NODE_OPTIONS", "HOME", "TZ", "LANG",
    "BASH_ENV", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "IFS", "TMPDIR", "PYTHONMALLOC",
    "UV_THREADPOOL_SIZE",
)  # fmt: skip
TEXT = st.sampled_from(TEXTS)
FILE = st.fixed_dictionaries(
    {
        "path": st.sampled_from(NAMES),
        "content": st.sampled_from((0, 1, 4096, 4097, 70_000)).map(lambda size: "#" * size),
    }
)


def rarely(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nothing, more often than not: a request with one odd thing in it gets further."""
    return st.one_of(st.none(), st.none(), st.none(), usual)


@st.composite
def a_request(draw: st.DrawFn) -> dict[str, Any]:
    language = draw(st.sampled_from(sorted(PROGRAMS)))
    limits = {name: draw(rarely(st.sampled_from(values))) for name, values in LIMITS.items()}
    limits["wall_time_ms"] = limits["wall_time_ms"] or WALL_TIME_MS
    asked = {
        "language": language,
        "code": draw(st.sampled_from(PROGRAMS[language])),
        "limits": {name: value for name, value in limits.items() if value is not None},
        "files": draw(rarely(st.lists(FILE, max_size=3))),
        "entrypoint": draw(rarely(st.sampled_from(NAMES))),
        "args": draw(rarely(st.lists(TEXT, max_size=3))),
        "env": draw(rarely(st.dictionaries(st.sampled_from(VARIABLES), TEXT, max_size=2))),
        "stdin": draw(rarely(TEXT)),
        "expected_output": draw(rarely(TEXT)),
        "interactive": draw(st.sampled_from((False, False, True))),
        "encoding": draw(st.sampled_from(("utf-8", "base64"))),
    }
    return {name: value for name, value in asked.items() if value is not None}


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(asked=a_request())
def test_no_request_is_a_failure_of_the_platform(service_url: str, asked: dict[str, Any]) -> None:
    answer = requests.post(f"{service_url}/execute", json=asked, timeout=30)
    said = answer.json()
    if answer.status_code == 422:
        assert said["errors"] and all(each["path"] != "request" for each in said["errors"]), said
        return
    assert answer.status_code == 200, said
    assert said["verdict"] != "internal_error", said
    paths = [file["path"] for file in said["files"]]
    assert [validate_path(path) for path in paths] == paths
    check_together(paths)
    assert said["files_left_out"] >= len(said["omitted"])
    assert all(each["path"] not in paths for each in said["omitted"])
