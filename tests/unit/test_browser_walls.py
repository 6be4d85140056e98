"""What a browser is told of our answers, directive by directive."""

import pytest

from vibecell.gateway import security_headers

NOTHING = {"'none'"}


def directives(policy: str) -> dict[str, set[str]]:
    """Name to sources. Source: Content Security Policy Level 3, 2.2.1."""
    found = {}
    for directive in policy.split(";"):
        name, *sources = directive.split()
        assert name not in found, "only the first of two would count"
        found[name] = set(sources)
    return found


def test_a_programs_page_has_no_origin_and_reaches_nobody() -> None:
    told = directives(
        security_headers.PAGE_POLICY.format(files="https://here/pages/x/", framers="'self'")
    )
    assert told["sandbox"] == {"allow-scripts", "allow-forms", "allow-modals", "allow-downloads"}
    assert told["default-src"] == told["form-action"] == told["base-uri"] == NOTHING
    own = {"data:", "blob:", "https://here/pages/x/"}
    for name in ("connect-src", "worker-src", "img-src", "font-src", "media-src"):
        assert told[name] == own
    assert told["style-src"] == {"'unsafe-inline'", *own}
    assert told["script-src"] == {"'unsafe-inline'", "'unsafe-eval'", *own}
    assert told["frame-ancestors"] == {"'self'"}


def test_pages_of_ours_stand_in_nobodys_frame_and_run_only_files_of_ours() -> None:
    for policy in (security_headers.PLAYGROUND_POLICY, security_headers.DOCS_POLICY):
        told = directives(policy)
        assert told["frame-ancestors"] == told["default-src"] == NOTHING
        assert told["base-uri"] == told["form-action"] == NOTHING
        assert told["script-src"] == {"'self'"}


@pytest.mark.parametrize("name", ["X-Content-Type-Options", "Cross-Origin-Resource-Policy"])
def test_an_answer_is_what_it_says_and_for_us_alone(name: str) -> None:
    told = dict(security_headers.COMMON)
    assert told[name] == {"X-Content-Type-Options": "nosniff"}.get(name, "same-origin")


def test_an_answer_of_the_api_is_kept_nowhere_and_is_no_page() -> None:
    told = dict(security_headers.API)
    assert told["Cache-Control"] == "no-store"
    assert directives(told["Content-Security-Policy"])["default-src"] == NOTHING
    assert told.items() >= dict(security_headers.COMMON).items()
