"""A language is one folder: what each room makes of one that nobody has heard of."""

import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from vibecell.cli.composition.image_spec import image_spec
from vibecell.engine.plan import make_plan
from vibecell.languages.catalogue import FOLDER, Description, catalogue, describe
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer
from vibecell.sandbox.docker import image_build
from vibecell.sandbox.images import rootfs_contents
from vibecell.wire.views import encode_offer

TOY = """
name = "toy"
display_name = "Toy"
aliases = ["t"]
entrypoint = "main.toy"
mode = "exec"
argv = ["toy", "{entrypoint}"]
grammar = "toy"
example = "say hello"
[runtime]
program = "toy"
version_args = ["--version"]
programs = ["toy-format", "cat"]
requirements = "requirements.txt"
cell_programs = ["toy_waits.js"]
mend = "install toy"
[packages.apt]
toy-tools = ["toy", "toy-format"]
[[profiles]]
name = "toy"
"""
EDITOR = Path(__file__).parents[2] / "web/src/codemirror.ts"


@pytest.fixture
def descriptions(tmp_path: Path) -> tuple[Description, ...]:
    """Those of all languages there are, and of one more."""
    folder = tmp_path / "languages"
    shutil.copytree(FOLDER, folder)
    (folder / "toy").mkdir()
    (folder / "toy" / "language.toml").write_text(TOY)
    (folder / "toy" / "requirements.txt").write_text("toy-kernel==1.0\n")
    (folder / "toy" / "toy_waits.js").write_text("// waits\n")
    return describe(folder)


@pytest.fixture
def toy(descriptions: tuple[Description, ...]) -> Language:
    """The new language, at the version that an image has of it."""
    versions = {"python3": "3.11.7", "toy": "1.2.3"}
    return catalogue(descriptions, versions).by_name["toy"]


def test_a_directory_image_has_its_programs(
    descriptions: tuple[Description, ...], tmp_path: Path
) -> None:
    for name in ("toy", "toy-format"):
        (tmp_path / name).write_text("#!/bin/sh\necho toy 1.2.3\n")
        (tmp_path / name).chmod(0o755)
    spec = image_spec(descriptions, f"{tmp_path}:/usr/bin:/bin")
    found = rootfs_contents._program_paths(spec)
    assert {"toy": tmp_path / "toy", "toy-format": tmp_path / "toy-format"}.items() <= found.items()
    (program,) = (p for p in spec.programs if p.name == "toy")
    assert rootfs_contents._version(found["toy"], program) == "1.2.3"
    assert [p.name for p in spec.programs].count("cat") == 1


def test_behind_the_walls_are_its_own_programs_beside_the_others(
    descriptions: tuple[Description, ...],
) -> None:
    names = [p.name for p in rootfs_contents.cell_sources(image_spec(descriptions, ""))]
    assert {"agent.py", "toy_waits.js", "zygote.py"} <= set(names)
    assert names == sorted(names)


def test_it_takes_the_place_of_no_other_program_there(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    taken = TOY.replace("toy_waits.js", "zygote.py")
    (tmp_path / "toy" / "language.toml").write_text(taken)
    with pytest.raises(ValueError, match=r"cell_programs: there is a zygote\.py already"):
        image_spec(describe(tmp_path), "")


def test_a_build_for_containers_installs_its_packages(
    descriptions: tuple[Description, ...], tmp_path: Path
) -> None:
    with io.BytesIO() as file:
        image_build._write_context(file, image_spec(descriptions, "/usr/bin:/bin"), tmp_path)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            plan = json.load(tar.extractfile("fill/plan.json") or io.BytesIO())
            assert {"cell/toy_waits.js", "cell/zygote.py"} <= set(tar.getnames())
            packages = tar.extractfile("packages/requirements.txt")
            pinned = packages.read().decode().splitlines() if packages is not None else []
    assert {"toy", "toy-format"} <= set(plan["programs"])
    assert plan["packages"]["toy"] == plan["packages"]["toy-format"] == "toy-tools"
    assert "toy-kernel==1.0" in pinned
    assert any(line.startswith("numpy==") for line in pinned)


def test_a_client_is_shown_it(toy: Language) -> None:
    shown = encode_offer(Offer((toy,)))["languages"]
    assert shown == [
        {
            "name": "toy",
            "display_name": "Toy",
            "version": "1.2.3",
            "aliases": ["t"],
            "entrypoint": "main.toy",
            "mode": "exec",
            "example": "say hello",
            "grammar": "toy",
        }
    ]


def test_a_request_for_it_is_planned(toy: Language) -> None:
    request = ExecutionRequest("T", (SourceFile("main.toy", b"say hello"),))
    plan = make_plan(request, Offer((toy,)))
    assert plan.profile == toy.profiles[0]
    assert [stage.spec.argv for stage in plan.stages] == [("toy", "main.toy")]


def test_the_page_has_no_grammar_that_no_language_names() -> None:
    table = EDITOR.read_text().partition("const GRAMMARS")[2].partition("};")[0]
    bundled = set(re.findall(r"^  (\w+): async \(\) =>", table, re.MULTILINE))
    named = {d.language.grammar for d in describe()}
    assert named - {""} == bundled
