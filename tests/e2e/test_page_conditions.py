"""The page on a bad day: small windows, lost connections, wrong keys, second tabs, no eyes.

Owns the list of scenarios and the judging; ``conditions.mjs`` drives chromium.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.browser import driven
from integration.crashes_service import LiveService, serving

SCENARIO_TIMEOUT_S = 180.0
# the service may have to start first, and a script that does not end tells what it did
pytestmark = pytest.mark.timeout(SCENARIO_TIMEOUT_S + 120)
KEY = "key-of-a-person-who-may-run-programs"


def _performed(scenario: str, url: str, folder: Path, **more: object) -> None:
    report = driven(
        "conditions.mjs",
        url,
        scenario,
        str(folder),
        json.dumps(more),
        timeout_s=SCENARIO_TIMEOUT_S,
    )
    assert report["ok"], report["error"]
    assert report["foreign"] == [], "a request left the host"
    assert report["violations"] == [], "a script error or a breach of the page's own policy"


@pytest.mark.parametrize(
    "scenario",
    [
        "a_program_is_typed_before_the_editor_is_there",
        "a_program_runs_before_editor_and_terminal_are_there",
        "a_terminal_that_cannot_be_loaded_leaves_plain_text",
        "the_page_is_not_fetched_twice",
        "output_has_room_in_any_window",
        "a_screen_reader_has_the_output",
        "lines_are_told_as_they_look",
        "nothing_stands_in_the_way_of_assistive_technology",
        "the_keyboard_reaches_everything",
        "nothing_moves_for_who_asked_for_that",
        "a_lost_connection_comes_back_with_nothing_lost_or_twice",
        "who_is_offline_is_told_and_goes_on_afterwards",
        "a_connection_that_is_away_too_long_is_told",
        "a_table_is_a_table_and_never_more",
        "live_connections_that_are_held_back_are_told",
        "input_of_which_nothing_was_heard_is_told",
        "two_tabs_keep_their_own_programs",
        "a_tab_takes_nothing_from_another_of_which_it_has_not_heard_yet",
        "only_the_latest_of_many_tabs_programs_are_kept",
    ],
)
def test_a_person_finds_that(scenario: str, service_url: str, tmp_path: Path) -> None:
    _performed(scenario, service_url, tmp_path)


@pytest.fixture(scope="module")
def keyed() -> Iterator[LiveService]:
    """A service that wants a key."""
    settings = {"gateway__wrong_keys_per_minute": "6", "gateway__concurrent": "1"}
    with serving(uid_base=1_946_000_000, api_keys=KEY, **settings) as service:
        yield service


# in this order: the last uses up what wrong keys an address may try
@pytest.mark.parametrize(
    "scenario",
    [
        "a_wrong_key_is_explained_where_it_can_be_mended",
        "a_token_opens_the_page_as_a_key_does",
        "a_refused_run_says_when_to_come_again",
        "too_many_wrong_keys_say_when_to_come_again",
    ],
)
def test_a_person_with_a_key_finds_that(scenario: str, keyed: LiveService, tmp_path: Path) -> None:
    _performed(scenario, keyed.url, tmp_path, key=KEY)


@pytest.fixture(scope="module")
def mortal() -> Iterator[LiveService]:
    """A service whose processes a test may kill."""
    with serving(uid_base=1_948_000_000) as service:
        yield service


@pytest.mark.parametrize(
    "scenario",
    [
        "a_gateway_that_is_started_again_in_the_middle_loses_nothing",
        "a_server_that_forgot_the_run_is_told_with_what_was_typed",
    ],
)
def test_a_person_whose_service_dies_finds_that(
    scenario: str, mortal: LiveService, tmp_path: Path
) -> None:
    pids = {role: mortal.role(role) for role in ("gateway", "engine")}
    _performed(scenario, mortal.url, tmp_path, **pids)


@pytest.fixture(scope="module")
def narrow() -> Iterator[LiveService]:
    """A service with one place, that nobody gives back: whoever comes second waits."""
    with serving(uid_base=1_942_000_000, max_concurrent="1", max_parked="0") as service:
        yield service


def test_a_person_who_waits_finds_that_the_time_until_his_turn_counts_down(
    narrow: LiveService, tmp_path: Path
) -> None:
    _performed("the_time_until_its_turn_counts_down", narrow.url, tmp_path)
