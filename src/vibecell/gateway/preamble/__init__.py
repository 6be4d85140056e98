"""What runs in a program's page before its own first line.

Owns the script and where it is put into a page; refuses to move a line of the page, so the
script is one line. It is all in one function, and what a page does to it harms that page alone.

surroundings.js  what an opaque origin lacks: storage, cookies, history
loading.js       its own files as if they were of its origin; workers; what could not be loaded
inspection.js    a value as text
console.js       the console and uncaught errors, told to who frames the page
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import quote

_HERE = Path(__file__).parent
_PARTS = ("inspection.js", "console.js", "surroundings.js", "loading.js")

#: Whatever may stand before the first element without leaving standards mode.
_PROLOGUE = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*(?:<!doctype[^>]*>)?", re.S | re.I
)
_MAX_SEARCHED_BYTES = 64 * 1024


def one_line(source: str) -> str:
    """A script without its comments and line breaks.

    It must have a comment on lines of its own only, and a semicolon wherever a
    statement ends: a test holds the parts to it.
    """
    lines = (line.strip() for line in source.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("//"))


def _script() -> str:
    parts = " ".join(one_line((_HERE / name).read_text()) for name in _PARTS)
    # its name, by which a stack's frames of ours are known and left out
    return f'(function(){{"use strict"; {parts}}})()//# sourceURL=vibecell-preamble.js'


SCRIPT = _script()


def with_preamble(page: bytes, path: str) -> bytes:
    """A page with the script first, behind its document type.

    Args:
        page: what the program sent.
        path: of the page among its files, by which its lines are told.
    """
    match = _PROLOGUE.match(page[:_MAX_SEARCHED_BYTES])
    at = match.end() if match else 0
    element = f'<script data-path="{escape(quote(path))}">{SCRIPT}</script>'
    return page[:at] + element.encode() + page[at:]
