"""What a page made by a program does, as it would on a person's own machine.

``pages.mjs`` opens each in a tab and in the playground's frame, and reads its console.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from e2e.browser import driven

TIMEOUT_S = 240.0
pytestmark = pytest.mark.timeout(TIMEOUT_S + 120)  # the service may have to start first
SAID = {
    "a_json_file_is_fetched": "3",
    "a_file_that_was_not_sent_is_a_404": "404 false",
    "a_request_with_headers_and_credentials": "[1,2,3]",
    "a_file_by_xml_http_request": "200 x,y text/csv; charset=utf-8",
    "wasm_is_compiled_as_it_comes": "5",
    "pixels_of_its_own_picture_are_read": "255,0,0,255",
    "pixels_of_a_picture_in_the_document": "255,0,0,255",
    "modules_import_each_other_and_json": "Hi Mo!?",
    "a_worker_from_its_own_file": "42 w.js",
    "a_worker_that_is_a_module": "xyz",
    "a_worker_that_is_a_module_from_a_blob": "édata:",
    "a_worker_from_a_blob": "42",
    "errors_of_a_worker_have_lines": "Uncaught ReferenceError: nothing is not defined 3 wrong.js",
    "eval_and_new_function": "5",
    "local_storage": '1|two|2|b||true|a,b|{"a":"1","b":"two"}|true|1|',
    "storage_is_bounded": "QuotaExceededError 0",
    "cookies": "a=3",
    "what_it_cannot_have_is_not_there": "false,false,false",
    "history_is_pushed": "3#here 2",
    "history_of_another_origin_is_refused": "SecurityError",
    "a_form_is_handled": "added milk",
    "a_dialog_element_closes_by_its_form": "yes",
    "dialogs_are_shown": "true typed",
    "css_brings_its_style_sheets_and_fonts": "9px",
    "messages_of_a_tab_are_its_own": "0",
    "a_link_leads_to_another_of_its_pages": "from two",
}

FORMATS = [
    ("log", "six is 6 of 42, 1.5 and [ 1, 'a' ] { b: 2 }! more 3"),
    (
        "log",
        "{\n  a: 1,\n  b: [ 1, 2, { c: 'x' } ],\n  f: [Function: f],\n  n: null,\n"
        "  u: undefined,\n  g: 10n\n}",
    ),
    ("log", "{ name: 'c', self: [Circular] }"),
    (
        "log",
        "Map(1) { 'k' => { v: 1 } } Set(2) { 1, 'two' } 1970-01-01T00:00:00.000Z /x/g "
        "Symbol(s) -0 NaN",
    ),
    (
        "log",
        "<b></b> Uint8Array(3) [ 0, 0, 0 ] [class Foo] [Object: null prototype] {} Bar { x: 1 }",
    ),
    ("log", "100% 50% done %s"),
    ("log", '[ 1, <empty>, 3 ] line\nbreak [ "q\'" ] { lazy: [Getter] }'),
    ("debug", "debugged"),
    ("info", "informed"),
    ("warn", "warned"),
    ("error", "erred"),
    (
        "log",
        "┌─────────┬─────┬────┐\n│ (index) │ n   │ v  │\n├─────────┼─────┼────┤\n"
        "│ 0       │ 'a' │ 1  │\n│ 1       │ 'b' │ 22 │\n└─────────┴─────┴────┘",
    ),
    (
        "log",
        "┌─────────┬───┬───┬────────┐\n│ (index) │ 0 │ 1 │ Values │\n├─────────┼───┼───┼────────┤\n"
        "│ 0       │ 1 │ 2 │        │\n│ 1       │   │   │ 's'    │\n└─────────┴───┴───┴────────┘",
    ),
    ("log", "┌─────────┬───┐\n│ (index) │ b │\n├─────────┼───┤\n│ 0       │ 2 │\n└─────────┴───┘"),
    ("log", "5"),
    ("log", "outer"),
    ("log", "  in\n  side"),
    ("log", "  console.group"),
    ("log", "    deep"),
    ("log", "out"),
    ("log", "default: 1"),
    ("log", "c: 1"),
    ("log", "default: 2"),
    ("log", "default: 1"),
    ("warn", "Count for 'none' does not exist"),
    ("error", "Assertion failed: because x"),
    ("error", "Assertion failed"),
    ("log", "{ d: 1 }"),
    ("log", "t: TIME ms extra"),
    ("log", "t: TIME ms"),
    ("warn", "Timer 't' does not exist"),
    ("log", "Trace: here\n    at index.html:15:9"),
    ("log", "[unprintable]"),
]
ERRORS = {
    "TypeError: Cannot read properties of null (reading 'x')\n    at index.html:8:12",
    "Uncaught SyntaxError: Unexpected token ';' (index.html:11:11)",
    "Uncaught ReferenceError: nothing is not defined (index.html:4:21)\n"
    "    at broken (index.html:4:21)\n    at index.html:5:18",
    "Uncaught (in promise) TypeError: rejected\n    at index.html:6:16",
    "Uncaught (in promise) a text",
    "Uncaught RangeError: of the file (js/own.js:3:9)",
    "Uncaught Error: of the module (js/module.js:2:7)",
    "Uncaught Error: of the late one (js/late.js:4:7)",
}
NOT_LOADED = {
    "Could not load gone.png: no such file was sent with the page",
    "Could not load words.png: the file is there, and is not what it is used as",
    "Blocked by the sandbox: a script, https://cdn.example/lib.js",
    "Blocked by the sandbox: a script, SERVICE/assets/x.js",
    "Blocked by the sandbox: a request, https://api.example/x (index.html:1)",
    "Blocked by the sandbox: a form, SERVICE/execute?",
}


@pytest.fixture(scope="module")
def seen(service_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What all pages said, and the consoles of some."""
    folder = tmp_path_factory.mktemp("pictures")
    report = driven("pages.mjs", service_url, str(folder), timeout_s=TIMEOUT_S)
    return {**report, "folder": folder, "service": service_url.rstrip("/")}


def console(seen: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """Level and text of each row of a page's console."""
    return [(level, text) for level, text, _ in seen["consoles"][name]["rows"]]


def said(seen: dict[str, Any], place: str) -> dict[str, str]:
    """What was said to all that was asked in a place."""
    rest = dict(seen[place])
    return {**json.loads(rest.pop("asked")), **rest}


@pytest.mark.parametrize("page", SAID)
def test_in_a_page(page: str, seen: dict[str, Any]) -> None:
    assert said(seen, "tab")[page] == SAID[page]


def test_in_the_playgrounds_frame_it_is_the_same(seen: dict[str, Any]) -> None:
    framed = said(seen, "frame")
    assert len(framed) >= 20
    assert framed == {page: SAID[page] for page in framed}


def test_what_a_page_makes_is_downloaded(seen: dict[str, Any]) -> None:
    assert seen["downloads"] == ["made.txt", "made.txt"]


def test_the_console_formats_as_a_browsers_does(seen: dict[str, Any]) -> None:
    rows = [
        (level, re.sub(r"\d+\.\d{3} ms", "TIME ms", text))
        for level, text in console(seen, "formats")
    ]
    assert rows[0] == ("info", "Console was cleared")
    assert rows[1:-3] == FORMATS
    assert [len(text) <= 10_000 for _, text in rows[-3:]] == [True, True, True]
    assert rows[-1] == ("log", "end")


def test_errors_are_told_with_the_file_and_line_that_the_author_sees(seen: dict[str, Any]) -> None:
    rows = console(seen, "errors")
    assert {text for _, text in rows} == ERRORS
    assert {level for level, _ in rows} == {"error"}


def test_what_is_not_loaded_is_told_with_the_reason(seen: dict[str, Any]) -> None:
    told = {text.replace(seen["service"], "SERVICE") for _, text in console(seen, "not_loaded")}
    assert {text.split("; ")[0] for text in told} == NOT_LOADED


def test_a_page_that_says_too_much_is_cut_short_and_told_so(seen: dict[str, Any]) -> None:
    rows = console(seen, "too_much")
    assert rows[0] == ("log", "line 0")
    assert len(rows) <= 1000
    assert any(re.fullmatch(r"\d+ messages were left out: too many at once", t) for _, t in rows)


def test_what_a_page_sends_is_shown_as_text_and_does_nothing_else(seen: dict[str, Any]) -> None:
    forged = seen["consoles"]["forged"]
    assert [text[:40] for _, text, _ in forged["rows"]] == [
        "<img src=x onerror=alert(1)>",
        "y" * 40,
    ]
    assert {kind for _, _, kind in forged["rows"]} == {"row log", "row info"}
    assert max(len(text) for _, text, _ in forged["rows"]) <= 12_000
    assert forged["foreign"] == 0


@pytest.mark.parametrize("flood", ["a_flood_of_the_right_shape", "a_flood_of_a_frame_within"])
def test_a_page_that_floods_the_playground_is_stopped(flood: str, seen: dict[str, Any]) -> None:
    assert seen["floods"][flood] == {"stopped": True, "framesLeft": 0, "goesOn": "python"}


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_page_beside_its_console_is_pictured(size: str, seen: dict[str, Any]) -> None:
    picture: Path = seen["folder"] / f"page-{size}.png"
    assert picture.stat().st_size > 10_000
