"""``vibecell run`` and its neighbours, as a person calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from host import Service

SOURCES = str(Path(__file__).parents[2] / "src")


def vibecell(
    service: Service, *arguments: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command beside the running service."""
    return subprocess.run(
        [sys.executable, "-m", "vibecell.cli.main", *arguments],
        env={**os.environ, "VIBECELL_RUN_DIR": str(service.run_dir), "PYTHONPATH": SOURCES}
        | environ,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_run_is_as_if_the_program_ran_here(running_service: Service, tmp_path: Path) -> None:
    program = tmp_path / "hello.py"
    program.write_text(
        "import sys\nprint(sys.stdin.read() + '|' + '|'.join(sys.argv[1:]))\n"
        "print('oh', file=sys.stderr)\nsys.exit(9)\n"
    )
    done = vibecell(running_service, "run", str(program), "a", "--b", stdin="in")
    assert (done.returncode, done.stdout) == (9, "in|a|--b\n")
    assert done.stderr.splitlines()[0] == "oh"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print(1)", 0),
        ("import os; os.kill(os.getpid(), 15)", 143),
        ("import time; time.sleep(30)", 124),
    ],
)
def test_exit_status(running_service: Service, code: str, status: int) -> None:
    limit = {"VIBECELL_LIMITS__WALL_TIME_MS": "1000"}
    assert vibecell(running_service, "run", "-", stdin=code, **limit).returncode == status


def test_the_language_is_known_by_the_name(running_service: Service, tmp_path: Path) -> None:
    program = tmp_path / "hello.sh"
    program.write_text('echo "$BASH_VERSION"\n')
    assert vibecell(running_service, "run", str(program)).stdout.startswith("5.")


def test_what_a_program_displays_is_written_to_files(
    running_service: Service, tmp_path: Path
) -> None:
    code = (
        "import vibecell_display as v\nprint(1)\nv.publish({'image/svg+xml': '<svg/>'})\n"
        "v.publish({'text/plain': 'two', 'text/html': '<b>'})\nprint(3)"
    )
    done = vibecell(running_service, "run", "--displays", str(tmp_path / "d"), "-", stdin=code)
    assert (done.returncode, sorted(done.stdout.split())) == (0, ["1", "3", "two"])
    found = {path.name: path.read_text() for path in (tmp_path / "d").iterdir()}
    assert found == {"display-1.svg": "<svg/>", "display-2.html": "<b>"}
    assert f"display 2 is {tmp_path}/d/display-2.html" in done.stderr
    done = vibecell(running_service, "run", "-", stdin=code)
    assert "1 display was not shown here (image/svg+xml)" in done.stderr


def test_run_without_a_service_brings_its_own_engine(
    running_service: Service, tmp_path: Path
) -> None:
    environ = {"VIBECELL_RUN_DIR": str(tmp_path / "nothing")}
    done = vibecell(running_service, "run", "-", stdin="print(6*7)", **environ)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_a_file_that_is_not_there(running_service: Service) -> None:
    done = vibecell(running_service, "run", "nowhere.py")
    assert done.returncode == 2
    assert "nowhere.py: No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_says_what_protects_the_host(running_service: Service) -> None:
    done = vibecell(running_service, "doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    assert report["sound"] is True
    assert {"seccomp", "user namespace"} <= {layer["name"] for layer in report["layers"]}


def test_languages(running_service: Service) -> None:
    names = [x["name"] for x in json.loads(vibecell(running_service, "languages", "--json").stdout)]
    assert names[0] == "python"


def test_a_port_in_use_is_said_plainly(running_service: Service) -> None:
    port = running_service.url.rpartition(":")[2]
    done = vibecell(running_service, "serve", "--port", port)
    assert done.returncode == 2
    assert f"listen on 127.0.0.1:{port}: Address already in use" in done.stderr


def test_an_open_address_needs_a_key(running_service: Service) -> None:
    done = vibecell(running_service, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "needs a key (vibecell keys create, or api_keys)" in done.stderr


def test_keys_are_in_no_environment_and_on_no_command_line(running_service: Service) -> None:
    for child in Path(f"/proc/{running_service.process.pid}/task").glob("*/children"):
        for pid in child.read_text().split():
            for name in ("environ", "cmdline"):
                assert b"API_KEY" not in Path(f"/proc/{pid}/{name}").read_bytes().upper()
