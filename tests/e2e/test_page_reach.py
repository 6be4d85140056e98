"""Whom a page made by a program can reach from a person's browser: nobody, by any road.

``reach.mjs`` tries the roads with chromium, where somebody listens at the end of each.
"""

from typing import Any

import pytest

from e2e.browser import driven

TIMEOUT_S = 300.0
#: What only `Connection-Allowlist` closes; docs/reference/http-api.md says so.
OPEN_IN_OTHER_BROWSERS = {"webrtc", "meta_refresh", "location", "a_link_clicked"}


@pytest.fixture(scope="module")
def reached(service_url: str) -> dict[str, Any]:
    """By setting, the roads on which somebody heard of the page."""
    return driven("reach.mjs", service_url, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("where", ["tab", "frame"])
def test_a_page_reaches_nobody_from(where: str, reached: dict[str, Any]) -> None:
    assert reached[where] == []


@pytest.mark.parametrize("where", ["tab_without", "frame_without"])
def test_a_browser_that_does_not_know_the_allowlist_leaves_open_what_is_documented(
    where: str, reached: dict[str, Any]
) -> None:
    # which also shows that somebody listened above
    assert set(reached[where]) >= OPEN_IN_OTHER_BROWSERS


def test_a_page_loads_the_files_beside_it(reached: dict[str, Any]) -> None:
    assert reached["own_files"] == {"script": "ran", "style": "7px", "image": 1}
