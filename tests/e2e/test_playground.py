"""The page in a real browser: what a person does, and what must never leave the host.

Owns the list of scenarios and the judging; ``scenarios.mjs`` drives chromium.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from host import lacking

REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).with_name("scenarios.mjs")
CHROMIUM = os.environ.get("VIBECELL_TEST_CHROMIUM", "/usr/bin/chromium")
SCENARIO_TIMEOUT_S = 90.0


def _missing() -> str | None:
    """What this host lacks for a browser test; ``None`` if nothing."""
    if shutil.which("node") is None:
        return "node"
    if not Path(CHROMIUM).exists():
        return CHROMIUM
    if not (REPOSITORY / "web/node_modules/playwright-core").is_dir():
        return "playwright-core (npm ci --prefix web)"
    return None


@pytest.fixture(scope="module", autouse=True)
def browser_is_there() -> None:
    """Skip on a laptop, fail in CI, where the host lacks a browser."""
    missing = _missing()
    if missing is not None:
        lacking(missing)


def _play(service_url: str, scenario: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(SCENARIOS), service_url, scenario, str(folder)],
        capture_output=True,
        text=True,
        timeout=SCENARIO_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


@pytest.mark.parametrize(
    "scenario",
    [
        "output_appears_as_it_is_printed",
        "a_line_typed_reaches_input",
        "end_of_input_by_button",
        "control_c_interrupts",
        "stop_ends_the_run",
        "verdict_exit_code_time_and_memory",
        "javascript_runs",
        "bash_runs",
        "html_in_a_frame_beside_its_console",
        "a_reload_continues_the_same_run",
        "control_enter_runs_from_the_editor",
        "the_keyboard_can_leave_the_editor",
        "code_is_kept_for_each_language",
        "each_language_is_coloured_by_its_own_grammar",
        "a_plot_is_shown",
        "a_file_left_behind_can_be_downloaded",
        "files_that_do_not_fit_are_told",
        "output_is_never_markup",
        "a_narrow_screen_scrolls_only_down",
        "an_event_that_is_not_known_is_told",
        "dark_and_light",
    ],
)
def test_a_person(scenario: str, service_url: str, tmp_path: Path) -> None:
    report = _play(service_url, scenario, tmp_path)
    assert report["ok"], report["error"]
    assert report["foreign"] == [], "a request left the host"
    assert report["violations"] == [], "a script error or a breach of the page's own policy"
    if scenario == "dark_and_light":
        assert (tmp_path / "dark.png").stat().st_size > 0
        assert (tmp_path / "light.png").stat().st_size > 0
