"""Flame graphs: from what recorders print to a picture."""

import xml.etree.ElementTree as ElementTree

import pytest

from bench.flame_record import busy, fold
from bench.flame_svg import grown, read_folded, svg

PRINTED = """\
python3 
\tffffffff82 do_wp_page+0xd7 ([kernel.kallsyms])
\tffffffff81 asm_exc_page_fault+0x22 ([kernel.kallsyms])
\t    1af8bb _PyObject_Malloc+0x9b (/usr/lib/libpython3.11.so.1.0)
\t         0 [unknown] ([unknown])

:5853 
\tffffffff81 do_exit+0x1 ([kernel.kallsyms])

python3 
\t    1af8bb operator new(unsigned long)+0x9b (/usr/lib/libstdc++.so.6)
"""  # noqa: W291 – as perf prints it


def test_folding_what_perf_prints() -> None:
    assert fold(PRINTED.splitlines()) == {
        ("python3", "libpython3.11.so.1.0", "asm_exc_page_fault_[k]", "do_wp_page_[k]"): 1,
        ("(ended)", "do_exit_[k]"): 1,
        ("python3", "libstdc++.so.6"): 1,
    }


def test_waiting_is_left_out_and_lines_are_one_function() -> None:
    stacks = read_folded(
        ["a (x.py:1);b (y.py:2) 3", "a (x.py:9);b (y.py:4) 2", "EpollSelector.select (s.py:1) 9"]
    )
    assert busy(stacks) == {("a (x.py)", "b (y.py)"): 5}


def test_a_tree_leaves_out_what_is_too_narrow() -> None:
    root = grown({("a", "b"): 9_999, ("a", "c"): 1})
    assert root.samples == root.inner["a"].samples == 10_000
    assert set(root.inner["a"].inner) == {"b"}
    assert root.depth == 3


def test_the_picture_is_xml_whatever_the_names() -> None:
    picture = svg("a & b", {("<module> (x.py)", '"quoted"'): 2, ("short",): 1, ("k_[k]",): 1})
    tree = ElementTree.fromstring(picture)
    titles = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "all: 100.0%"
    assert set(titles[1:]) == {
        "<module> (x.py): 50.0%",
        '"quoted": 50.0%',
        "short: 25.0%",
        "k: 25.0%",
    }
    assert "<script" not in picture


def test_a_line_that_is_no_stack() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        read_folded(["no count"])
