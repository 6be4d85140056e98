"""Whom a page made by a program can reach from a person's browser: nobody, by any road.

``reach.mjs`` tries the roads with chromium, where somebody listens at the end of each.
"""

import json
from typing import Any

import pytest

from e2e.browser import driven

TIMEOUT_S = 300.0
pytestmark = pytest.mark.timeout(TIMEOUT_S + 120)  # the service may have to start first
#: What only `Connection-Allowlist` closes; docs/reference/http-api.md says so.
OPEN_IN_OTHER_BROWSERS = {"webrtc", "meta_refresh", "location", "a_link_clicked", "a_download"}
#: Of these a connection is made ahead, and refused before anything is told on it.
CONNECTED_IN_OTHER_BROWSERS = {"a_form", "a_form_that_posts", "a_form_by_its_button", "a_frame"}


@pytest.fixture(scope="module")
def reached(service_url: str) -> dict[str, Any]:
    """By setting, the roads on which somebody heard of the page."""
    must_arrive = json.dumps(sorted(OPEN_IN_OTHER_BROWSERS))
    return driven("reach.mjs", service_url, must_arrive, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("where", ["tab", "frame"])
def test_a_page_reaches_nobody_from(where: str, reached: dict[str, Any]) -> None:
    assert reached[where] == []


@pytest.mark.parametrize("where", ["tab_without", "frame_without"])
def test_a_browser_that_does_not_know_the_allowlist_leaves_open_what_is_documented(
    where: str, reached: dict[str, Any]
) -> None:
    open_roads = {road.removesuffix(": told") for road in reached[where]}
    assert open_roads >= OPEN_IN_OTHER_BROWSERS  # which also shows that somebody listened above
    known = OPEN_IN_OTHER_BROWSERS | CONNECTED_IN_OTHER_BROWSERS | {"webrtc_in_a_frame_of_its_own"}
    assert open_roads <= known
    told = {road.removesuffix(": told") for road in reached[where] if road.endswith(": told")}
    assert told <= (OPEN_IN_OTHER_BROWSERS if where == "tab_without" else set())


@pytest.mark.parametrize("where", ["service_from_tab", "service_from_frame"])
def test_a_page_asks_the_service_for_nothing_but_its_own_files(
    where: str, reached: dict[str, Any]
) -> None:
    assert reached[where]["strayed"] == []
    assert reached[where]["pages"] >= len(reached["service_roads"])  # which were all there


def test_no_name_of_a_file_leads_out_of_the_pages_folder(reached: dict[str, Any]) -> None:
    assert set(reached["up_by_escapes"]) == {404}


def test_a_page_loads_the_files_beside_it(reached: dict[str, Any]) -> None:
    assert reached["own_files"] == {"script": "ran", "style": "7px", "image": 1}
