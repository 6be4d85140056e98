"""The catalogue: every folder of ``languages/`` is a whole description."""

import re
from pathlib import Path

import pytest

from vibecell.languages.catalogue import (
    FOLDER,
    Catalogue,
    Description,
    catalogue,
    choose,
    describe,
)
from vibecell.model.errors import UnsupportedLanguage

DESCRIPTIONS = describe()
VERSIONS = {"python3": "3.11.7", "node": "20.1.0", "bash": "5.2.15"}
# Those that these tests speak of; others may come.
KNOWN = {"python", "bash", "html", "javascript"}

GOOD = """
name = "toy"
display_name = "Toy"
aliases = ["t"]
entrypoint = "main.toy"
mode = "exec"
argv = ["toy", "{entrypoint}"]
[runtime]
program = "toy"
version_args = ["--version"]
mend = "install toy"
[[profiles]]
name = "toy"
"""


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "language.toml").write_text(text)
    return folder


def names(found: Catalogue) -> list[str]:
    return [x.name for x in found.languages]


def test_every_folder_is_a_language() -> None:
    folders = {p.name for p in FOLDER.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == {d.language.name for d in DESCRIPTIONS}


def test_python_comes_first() -> None:
    found = names(catalogue(DESCRIPTIONS, VERSIONS))
    assert [name for name in found if name in KNOWN] == ["python", "bash", "html", "javascript"]
    assert found[0] == "python"


def test_versions_are_those_of_the_image() -> None:
    found = catalogue(DESCRIPTIONS, VERSIONS).by_name
    assert found["python"].version == "3.11.7"
    assert found["javascript"].version == "20.1.0"
    assert found["html"].version == "5"


def test_a_missing_runtime_makes_a_language_unavailable_with_a_mend() -> None:
    known = tuple(d for d in DESCRIPTIONS if d.language.name in KNOWN)
    found = catalogue(known, {k: v for k, v in VERSIONS.items() if k != "node"})
    assert "javascript" not in names(found)
    (absent,) = found.unavailable
    assert absent.name == "javascript"
    assert "node" in absent.reason
    assert "nodejs" in absent.mend


def test_profiles_are_listed_once_each() -> None:
    found = catalogue(tuple(d for d in DESCRIPTIONS if d.language.name in KNOWN), VERSIONS)
    profiles = [p.name for p in found.profiles]
    assert profiles == ["python-light", "python-data", "python-library", "shell", "node"]


def test_the_light_profile_has_no_package_in_it() -> None:
    python = catalogue(DESCRIPTIONS, VERSIONS).by_name["python"]
    light, data, _library = python.profiles
    heavy = {"numpy", "pandas", "matplotlib", "PIL", "sympy"}
    assert not heavy & set(light.modules)
    assert not light.triggers
    assert {"numpy", "pandas", "matplotlib"} <= data.triggers


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: d.language.name)
def test_a_description_is_usable(description: Description) -> None:
    language = description.language
    assert language.example.strip()
    assert Path(language.entrypoint).suffix
    if language.mode == "page":
        assert not language.argv
        assert description.smoke is None
        return
    assert any("{entrypoint}" in part for part in language.argv)
    assert description.smoke is not None
    assert description.smoke.is_file()
    assert description.smoke_output.endswith("\n")
    assert description.needs.mend or description.needs.program == "python3"


@pytest.mark.parametrize(
    ("name", "file", "chosen"),
    [
        (None, "a/b.js", "javascript"),
        (None, "page.html", "html"),
        ("SH", "a/b.js", "bash"),
        (None, "a.unknown", "python"),
        (None, "bash", "python"),
        (None, "-", "python"),
        (None, None, "python"),
    ],
)
def test_a_program_is_of_the_named_language_or_as_its_file_says(
    name: str | None, file: str | None, chosen: str
) -> None:
    assert choose(DESCRIPTIONS, name, file).language.name == chosen


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UnsupportedLanguage, match="no such language"):
        choose(DESCRIPTIONS, "pyton", "a.py")


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: d.language.name)
def test_what_is_measured_asks_for_nothing(description: Description) -> None:
    assert description.hello
    assert not re.search(r"\b(input|read|stdin)\b", description.hello)


def test_requirements_pin_every_package() -> None:
    requirements = [d.needs.requirements for d in DESCRIPTIONS if d.needs.requirements]
    for path in requirements:
        lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
        assert lines
        assert all("==" in line for line in lines)


def test_a_new_folder_is_all_a_language_needs(tmp_path: Path) -> None:
    (description,) = describe(write(tmp_path, "toy", GOOD))
    assert names(catalogue((description,), {"toy": "1.0"})) == ["toy"]
    assert catalogue((description,), {}).unavailable[0].mend == "install toy"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("mode =", 'colour = "red"\nmode ='), "colour"),
        (('"exec"', '"magic"'), "mode must be"),
        (('name = "toy"\ndisplay', "display"), "name"),
        (('program = "toy"', 'programme = "toy"'), "programme"),
        (('[[profiles]]\nname = "toy"', ""), "profiles"),
        (("aliases", "aliases aliases"), "language.toml"),
        (('version_args = ["--version"]', ""), "version_args or in_every_image"),
        (("[[prof", '[packages.apt]\nmake = ["make"]\n[[prof'), "no programs .*: make"),
        (("[[prof", '[packages.apt]\na = ["toy"]\nb = ["toy"]\n[[prof'), "more than one package"),
        (("[[prof", '[packages.brew]\ntoy = ["toy"]\n[[prof'), "unknown: brew"),
        (("[[prof", '[cold]\nfiles = ["toyrc"]\n[[prof'), "cold belongs to"),
        (("[[prof", '[cold]\nmodules = ["toy"]\n[[prof'), "unknown: modules"),
        (("[[prof", '[cold]\nenvironment = ["A-*"]\n[[prof'), "no variable can be like 'A-"),
        (("[[prof", '[cold]\nenvironment = ["*"]\n[[prof'), "every variable"),
        (("[[prof", '[cold]\nenvironment = ["A", "A"]\n[[prof'), "twice"),
        (("[[prof", '[cold]\nfiles = ["/etc/*"]\n[[prof'), "no path can be like '/etc"),
        (("[[prof", '[cold]\nfiles = ["a/../b"]\n[[prof'), "no path can be like 'a/../b"),
        (("[[prof", '[cold]\nfiles = ["*/*"]\n[[prof'), "every path"),
    ],
)
def test_a_wrong_description_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(ValueError, match=said) as caught:
        describe(write(tmp_path, "toy", GOOD.replace(*change)))
    assert "toy/language.toml" in str(caught.value)


def test_two_languages_may_not_share_a_name_or_a_profile(tmp_path: Path) -> None:
    write(tmp_path, "a", GOOD)
    write(tmp_path, "b", GOOD)
    with pytest.raises(ValueError, match="more than one language"):
        describe(tmp_path)
