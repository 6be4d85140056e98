"""Which modules a program imports: as the parser says, and in bounded time."""

import ast
import contextlib
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.engine import python_imports
from vibecell.engine.python_imports import MAX_NAMES, MAX_READ_BYTES, imported_by


def parsed(source: bytes) -> set[str]:
    """What the interpreter's own parser says; raises what it does."""
    found: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a, b.c as d, e", "a b e"),
        ("from a.b import c, d as e", "a"),
        ("from a import (b,\n  c as d,  # import e\n)", "a"),
        ("from a import(b)", "a"),
        ("from a import *", "a"),
        ("from . import a\nfrom .b import c\nfrom.d import e\nfrom ... import f", ""),
        ("from . . b import c", ""),
        ("import \\\n a, \\\n  b . c as d \\\n , e", "a b e"),
        ("from \\\n a \\\n . b \\\n import c", "a"),
        ("def f():\n\timport a\n\ttry: import b\n\texcept E: from c import d", "a b c"),
        ("x = 1;import a;import b", "a b"),
        ("if x: import a", "a"),
        ("import a\r\nimport b\rimport c", "a b c"),
        ("import\ta\x0c", "a"),
        ("# import a\nx = 1 # import b\nimport c#import d", "c"),
        ("""x = "import a"; y = 'import b'; import c""", "c"),
        ('"""\nimport a\n"""\nimport b', "b"),
        ("""''' " \"\"\" \nimport a\n'''\nimport b""", "b"),
        (r"""x = "\" import a"; y = '\\'; import b""", "b"),
        ('x = r"\\" "; import a', "a"),
        ("x = rb'''\nimport a''' b''; import b", "b"),
        ('x = "\\\nimport a"\nimport b', "b"),
        ('x = ""; import a', "a"),
        ('x = """""" ""; import a', "a"),
        ("""x = f"{y['import a']} import b"; import c""", "c"),
        ("f'''{\nx}\nimport a'''\nimport b", "b"),
        ("def g():\n    yield from a\n    raise b from c\nimport d", "d"),
        ("raise b from None; import d", "d"),
        ("important = reimport = __import__('a')\nx.from_ = 1\nimport_ = 1", ""),
        ("éimport = importé = 1; import é", "é"),
        ("import \N{LATIN SMALL LIGATURE FI}le", "file"),
        ("# -*- coding: latin-1 -*-\nimport a", "a"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}import a", "a"),
    ],
)
def test_imports_are_what_the_parser_says(source: str, names: str) -> None:
    assert imported_by([source.encode()]) == parsed(source.encode()) == set(names.split())


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a\nprint(", "a"),  # no program, which it will say wherever it runs
        ('import a\nx = "', "a"),
        ('import a\nx = """\nimport b', "a"),
        ("import a\nx = 'open\nimport b", "a b"),
        ("import", ""),
        ("from", ""),
        ("import a,", "a"),
        ("from a", ""),
        ("import a\n\0import b", "a b"),
    ],
)
def test_what_is_no_program_is_read_as_far_as_it_goes(source: str, names: str) -> None:
    assert imported_by([source.encode()]) == set(names.split())


def programs_of_the_library() -> Iterator[bytes]:
    """Those of the interpreter's own library that take the parser no long time.

    Its tests are left out: they are 20 MB more of the same.
    """
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
    for path in library.rglob("*.py"):
        if not left_out & set(path.parts) and path.stat().st_size < 24 * 1024:
            yield path.read_bytes()


def test_the_interpreters_library_is_read_as_the_parser_reads_it() -> None:
    read = 0
    for source in programs_of_the_library():
        with contextlib.suppress(SyntaxError):  # lib2to3 holds some of the second Python
            assert imported_by([source]) == parsed(source), source[:1000]
            read += 1
    assert read > 300


PIECES = st.sampled_from(
    [
        "import a", "import b.c as d, e", "from f import g", "from . import h", "from .i import j",
        "from k import (l,\n m)", "import n, \\\n o", "yield from p", "raise q from r",
        "\n", "\n", "\n    ", ";", ":", "#", '"', "'", '"""', "'''", "\\", "\\\n", "\r\n",
        "f'", "rb'", "f'{x}'", "try", "if x", "def f()", "import", "from", " ", "(",
        ")", "x = ", "\x0c",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_parses_is_read_as_the_parser_reads_it(source: str) -> None:
    with contextlib.suppress(SyntaxError):  # most of it is no program
        expected = parsed(source.encode())
        assert imported_by([source.encode()]) == expected


STRINGS = st.tuples(
    st.sampled_from(["", "r", "b", "Rb", "f", "u"]),
    st.sampled_from(['"', "'", '"""', "'''"]),
    st.lists(st.sampled_from(["import a", "from b import c", "\\\\", '\\"', "\\'", "#", ";"])),
).map(lambda parts: parts[0] + parts[1] + " ".join(parts[2]) + parts[1])
IMPORTS = st.sampled_from(
    ["import d", "import e.f as g, h", "from i import (j,\n k)", "from . import l", "import \\\n m"]
)
LINES = (
    IMPORTS
    | STRINGS.map(lambda text: f"x = ({text},\n [1])  # import n")
    | st.tuples(STRINGS, IMPORTS).map("; ".join)
    | IMPORTS.map(lambda line: f"def o():\n\ttry: {line}\n\tfinally: pass")
)


@given(st.lists(LINES).map("\n".join))
def test_strings_and_comments_hold_no_imports_and_hide_none(source: str) -> None:
    assert imported_by([source.encode()]) == parsed(source.encode())


@given(st.binary(max_size=200))
def test_anything_is_read(data: bytes) -> None:
    assert isinstance(imported_by([b"import a\n" + data]), frozenset)


def test_no_more_is_read_than_a_bound_in_all_files_together() -> None:
    long = b"import a\n" + b"#" * MAX_READ_BYTES + b"\nimport b"
    assert imported_by([long, b"import c"]) == {"a"}
    assert imported_by([b"#" * MAX_READ_BYTES, b"import c"]) == {"c"}  # has no import to read
    many = b"".join(b"import m%d\n" % each for each in range(2 * MAX_NAMES))
    assert len(imported_by([many])) == MAX_NAMES


class Counting:
    """A compiled expression that notes how far its matches reach."""

    def __init__(self, expression: re.Pattern[bytes]) -> None:
        self._expression = expression
        self.matches = 0
        self.matched_bytes = 0

    def finditer(self, source: bytes) -> Iterator[re.Match[bytes]]:
        for match in self._expression.finditer(source):
            self.matches += 1
            self.matched_bytes += len(match[0])
            yield match


@pytest.mark.parametrize(
    "piece",
    [
        b"a;", b"i", b"f", b"i;", b"#\n", b'"', b"'", b'"""', b"'''", b'"\\', b'\\"', b"''",
        b"\\\n", b"import ", b"import\n", b"import a,", b"a,", b"from ", b"from a", b"from.",
        b"from a.", b".a", b" ", b"\n", b"\r", b"(",
        b"f'{a}'", b"\xff", b"import a as ", b"from a import b\n",
    ],
)  # fmt: skip
def test_of_the_worst_that_can_be_written_each_byte_is_read_once(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    expression = Counting(python_imports._NEXT)
    monkeypatch.setattr(python_imports, "_NEXT", expression)
    monkeypatch.setattr(python_imports, "MAX_NAMES", MAX_READ_BYTES)
    source = (b"import a\nimport b" + piece * MAX_READ_BYTES)[:MAX_READ_BYTES]
    assert "a" in imported_by([source])
    # what is passed over between two matches would be tried again at each of its bytes
    assert expression.matched_bytes == len(source)
