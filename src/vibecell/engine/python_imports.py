"""Which modules a Python program imports, read without parsing it.

Owns a scan for import statements that takes time in proportion to what it reads, of
which it reads a bounded part: a parser's time goes by what is written, and half a second
of it for a file is half a second of everybody's. Refuses to judge: it only chooses where
a program starts fast, so that a miss costs time, never truth. It differs from the parser
where a text is no program, where its encoding is no superset of ASCII, and where an
f-string holds quotes of its own kind (Python 3.12), between which it sees code.

Source: The Python Language Reference, sections 2.1 (lines, comments), 2.4 (literals) and
7.11 (import statements). ``import`` is a keyword, so that outside of strings and comments
it stands in import statements only; ``from`` stands in two others, without an ``import``.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, islice

#: Read of one program, in all its files: milliseconds, whatever is written there.
MAX_READ_BYTES = 64 * 1024
#: Taken of one program; no more than ``_MAX_ITEMS`` from one statement.
MAX_NAMES = 1024
_MAX_ITEMS = 64


def _once(group: bytes) -> bytes:
    """A repeated group that gives nothing back.

    Not by a possessive quantifier: those of groups in which something is tried in vain
    find nothing before CPython 3.11.5. Source: https://github.com/python/cpython/issues/106052
    """
    return rb"(?>" + group + rb")"


# No quantifier gives anything back, and whatever has been looked at belongs to the match: no
# byte is looked at more often than there are parts that may begin with it.
_W = _once(rb"(?:[ \t\f]|\\\n)*")
_LETTER = rb"[A-Za-z_\x80-\xff]"
_MORE = rb"[A-Za-z0-9_\x80-\xff]"
_NAME = _LETTER + _MORE + rb"*+"
_REST = _once(rb"(?:" + _W + rb"\." + _W + _NAME + rb")*")
_ITEM = _NAME + _REST + _once(rb"(?:" + _W + rb"as(?!" + _MORE + rb")" + _W + _NAME + rb")?")
_KEYWORD = rb"(?<!" + _MORE + rb")(?:import|from)(?!" + _MORE + rb")"
_OTHER = _once(
    rb"(?:[^#\"'fi]++"
    rb"|(?!" + _KEYWORD + rb")[fi]" + _MORE + rb"*+"
    rb"|#[^\n]*+"
    rb'|"""' + _once(rb'(?:[^"\\]++|\\.|"(?!""))*') + _once(rb'(?:""")?')
    + rb"|'''" + _once(rb"(?:[^'\\]++|\\.|'(?!''))*") + _once(rb"(?:''')?")
    + rb'|"(?!"")' + _once(rb'(?:[^"\\\n]++|\\.)*') + rb'"?+'
    + rb"|'(?!'')" + _once(rb"(?:[^'\\\n]++|\\.)*") + rb"'?+"
    rb")*"
)  # fmt: skip
_MORE_ITEMS = _once(rb"(?:" + _W + rb"," + _W + _ITEM + rb"){0,%d}" % (_MAX_ITEMS - 1))
_IMPORT = rb"import" + _W + _once(rb"(?P<items>" + _ITEM + _MORE_ITEMS + rb")?")
_FROM = (
    rb"from" + _W + _once(rb"(?P<dots>\." + _once(rb"(?:[ \t\f.]|\\\n)*") + rb")?")
    + _once(rb"(?P<module>" + _NAME + rb")?")
    + _REST
    + _once(rb"(?P<import>" + _W + rb"import(?!" + _MORE + rb"))?")
)  # fmt: skip
# the end of a text is a match, too: without it each later place would be tried in vain
_NEXT = re.compile(_OTHER + rb"(?:" + _IMPORT + rb"|" + _FROM + rb"|\Z)", re.DOTALL)
_FIRST_NAMES = re.compile(rb"(?:\A|,)" + _W + rb"(" + _NAME + rb")")


def imported_by(sources: Iterable[bytes]) -> frozenset[str]:
    """The top-level names that import statements of these sources name.

    Relative imports name none. What is beyond a bound is not told.
    """
    named = chain.from_iterable(map(_names, _read(sources)))
    return frozenset(map(_as_known, set(islice(named, MAX_NAMES))))


def _read(sources: Iterable[bytes]) -> Iterator[bytes]:
    left_bytes = MAX_READ_BYTES
    for source in sources:
        head = source[:left_bytes].removeprefix(codecs.BOM_UTF8)
        if b"import" in head:  # most programs need no reading
            left_bytes -= len(head)
            yield head.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _names(source: bytes) -> Iterator[bytes]:
    for each in _NEXT.finditer(source):
        if (items := each["items"]) is not None:
            yield from _FIRST_NAMES.findall(items)
        elif each["import"] is not None and each["dots"] is None and each["module"] is not None:
            yield each["module"]


def _as_known(name: bytes) -> str:
    """A name as the interpreter compares it. Source: PEP 3131."""
    return unicodedata.normalize("NFKC", name.decode("utf-8", "replace"))
