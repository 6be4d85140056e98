"""The page in a real browser: what a person does, and what must never leave the host.

Owns the list of scenarios and the judging; ``scenarios.mjs`` drives chromium.
"""

from pathlib import Path

import pytest

from e2e.browser import driven

SCENARIO_TIMEOUT_S = 180.0
# the service may have to start first, and a script that does not end tells what it did
pytestmark = pytest.mark.timeout(SCENARIO_TIMEOUT_S + 120)


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
        "a_file_is_shown_and_named_whatever_it_is_called",
        "output_is_never_markup",
        "a_narrow_screen_scrolls_only_down",
        "an_event_that_is_not_known_is_told",
        "what_a_run_uses_is_drawn",
        "dark_and_light",
    ],
)
def test_a_person(scenario: str, service_url: str, tmp_path: Path) -> None:
    report = driven(
        "scenarios.mjs", service_url, scenario, str(tmp_path), timeout_s=SCENARIO_TIMEOUT_S
    )
    assert report["ok"], report["error"]
    assert report["foreign"] == [], "a request left the host"
    assert report["violations"] == [], "a script error or a breach of the page's own policy"
    if scenario == "dark_and_light":
        assert (tmp_path / "dark.png").stat().st_size > 0
        assert (tmp_path / "light.png").stat().st_size > 0
