"""The page of the HTTP API in a real browser: requests can be tried, and nothing leaves the host.

Owns the list of scenarios and the judging; ``documents.mjs`` drives chromium.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from e2e.browser import driven
from host import Service

SCENARIO_TIMEOUT_S = 90.0
KEY = "key-of-a-person-who-tries-requests"


def _performed(scenario: str, url: str, folder: Path, **more: str) -> None:
    report = driven(
        "documents.mjs", url, scenario, str(folder), json.dumps(more), timeout_s=SCENARIO_TIMEOUT_S
    )
    assert report["ok"], report["error"]
    assert report["foreign"] == [], "a request left the host"
    assert report["violations"] == [], "a script error or a breach of the page's own policy"


@pytest.mark.parametrize(
    "scenario",
    [
        "a_program_is_tried_on_the_page",
        "every_operation_is_there_with_its_words",
        "nothing_on_it_leads_elsewhere",
        "dark_and_light_on_a_desk_and_in_a_hand",
        "colours_are_chosen_and_kept",
        "nothing_of_it_is_loaded_by_the_editor",
    ],
)
def test_a_person_finds_that(scenario: str, service_url: str, tmp_path: Path) -> None:
    _performed(scenario, service_url, tmp_path)


def test_a_key_opens_what_is_shut(
    start_service: Callable[[Mapping[str, str]], Service], tmp_path: Path
) -> None:
    service = start_service({"VIBECELL_API_KEYS": KEY})
    _performed("a_key_opens_what_is_shut", service.url, tmp_path, key=KEY)


def test_behind_a_prefix_requests_go_where_the_page_came_from(
    start_service: Callable[[Mapping[str, str]], Service], tmp_path: Path
) -> None:
    """Though the document names another address."""
    service = start_service({"VIBECELL_GATEWAY__PUBLIC_URL": "http://localhost:9/cells"})
    url = f"{service.url}/cells/"
    _performed("a_program_is_tried_on_the_page", url, tmp_path)
