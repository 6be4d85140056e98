"""The units of ``deploy/systemd`` say what the service needs, and systemd understands them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import host
from vibecell.cli.supervisor import PAUSES_S
from vibecell.engine.client.link_socket import REPLY_TIMEOUT_S

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
HARDENING = re.compile(r"^(?:Protect|Restrict|SystemCall|Private|Lock|Memory|NoNew)\w*=")


def _directives(name: str) -> dict[str, str]:
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w*=", line))


def test_there_is_a_unit_for_each_kind_of_walls_and_for_an_ordinary_user() -> None:
    assert UNITS == ["vibecell-docker.service", "vibecell-user.service", "vibecell.service"]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_hears_of_the_service_by_itself_and_leaves_cgroups_to_it(name: str) -> None:
    said = _directives(name)
    wanted = {"Type": "notify", "NotifyAccess": "main", "Delegate": "yes", "Restart": "always"}
    assert {key: said.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("name", UNITS)
def test_a_watchdog_waits_for_a_slow_answer_and_for_a_part_that_is_started_again(
    name: str,
) -> None:
    assert int(_directives(name)["WatchdogSec"]) > 2 * REPLY_TIMEOUT_S + max(PAUSES_S)


def test_each_option_of_hardening_has_its_reason_beside_it() -> None:
    lines = (FOLDER / "vibecell.service").read_text().splitlines()
    options = [i for i, line in enumerate(lines) if HARDENING.match(line)]
    assert options
    for index in options:
        assert re.match(r"# \w", lines[index - 1]), lines[index]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        host.lacking("systemd-analyze")
    text = (FOLDER / name).read_text()
    unit = tmp_path / name
    # the only thing that it misses here is the program
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
