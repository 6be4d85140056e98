"""The page's files: small where the client can, kept by a browser for as long as they are true."""

from pathlib import Path

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from vibecell.gateway.built_files import BuiltFiles

FILES = {
    "index.html": b"<p>entry",
    "assets/code-a1b2c3d4.js": b"plain",
    "assets/code-a1b2c3d4.js.br": b"b",
    "assets/code-a1b2c3d4.js.gz": b"gz",
    "assets/font-a1b2c3d4.woff2": b"font",
    "assets/archive.gz": b"a file that is no coding of another",
}


@pytest.fixture
def application(tmp_path: Path) -> Flask:
    (tmp_path / "outside").write_text("not to be had")
    for name, content in FILES.items():
        path = tmp_path / "built" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = BuiltFiles(tmp_path / "built")
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/<path:name>", view_func=lambda name: files.response(name, request, "p"))
    return app


def got(application: Flask, name: str, **fields: str) -> TestResponse:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return application.test_client().get(f"/{name}", headers=headers)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, br;q=0, *", None),
        ("*", "br"),
        ("*;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, GZIP", "gzip"),
        ("deflate", None),
        ("gzip;q=nonsense", None),
    ],
)
def test_a_client_gets_the_smallest_coding_that_it_likes_best(
    application: Flask, accepted: str | None, coding: str | None
) -> None:
    fields = {} if accepted is None else {"Accept_Encoding": accepted}
    answer = got(application, "assets/code-a1b2c3d4.js", **fields)
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.data == {None: b"plain", "gzip": b"gz", "br": b"b"}[coding]
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_a_name_with_the_hash_of_its_content_is_kept_for_good(application: Flask) -> None:
    answer = got(application, "assets/code-a1b2c3d4.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ["index.html", "assets/code-a1b2c3d4.js"])
@pytest.mark.parametrize("accepted", ["identity", "gzip", "br"])
def test_who_has_it_already_is_told_that_it_is_the_same(
    application: Flask, name: str, accepted: str
) -> None:
    first = got(application, name, Accept_Encoding=accepted)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = got(application, name, Accept_Encoding=accepted, If_None_Match=known)
        assert (again.status_code, again.data) == (304, b"")
        assert "Content-Type" not in again.headers
        for field in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
            assert again.headers.get(field) == first.headers.get(field)
    assert got(application, name, If_None_Match='"other"').status_code == 200


def test_each_coding_has_a_tag_of_its_own(application: Flask) -> None:
    name = "assets/code-a1b2c3d4.js"
    tags = {got(application, name, Accept_Encoding=x).headers["ETag"] for x in ("", "gzip", "br")}
    assert len(tags) == 3


def test_the_entry_is_asked_for_again_each_time(application: Flask) -> None:
    answer = got(application, "index.html")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "Vary" not in answer.headers  # there is one form of it


@pytest.mark.parametrize(
    "name",
    [
        "assets/code-a1b2c3d4.js.br",
        "assets/code-a1b2c3d4.js.gz",
        "assets/nothing.js",
        "assets",
        "assets/",
        "../outside",
        "assets/../../outside",
        "%2e%2e/outside",
        "/etc/passwd",
        "assets/code-a1b2c3d4.js%00",
    ],
)
def test_nothing_else_is_there(application: Flask, name: str) -> None:
    assert got(application, name).status_code == 404


def test_a_file_that_only_looks_like_a_coding_is_a_file(application: Flask) -> None:
    assert got(application, "assets/archive.gz").data == FILES["assets/archive.gz"]
