"""An image that is a directory, where the host lacks what every one must have."""

import sysconfig
from pathlib import Path

import pytest

from cell_programs import cell_program
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.images import image_rules, rootfs_contents
from vibecell.sandbox.images.rootfs import ImageSpec, build_image


@pytest.fixture
def spec(tmp_path: Path) -> ImageSpec:
    """An image of the interpreter alone."""
    return ImageSpec((), (), (), tmp_path, "/nowhere")


def test_an_interpreter_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, spec: ImageSpec, tmp_path: Path
) -> None:
    monkeypatch.setattr(rootfs_contents.sys, "_base_executable", str(tmp_path / "python3"))
    said = f"copy the Python interpreter: {tmp_path}/python3 is not there"
    with pytest.raises(SandboxFailure, match=said):
        build_image(spec, tmp_path / "images")
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["lock"]


def test_an_interpreter_without_its_library_is_refused(
    monkeypatch: pytest.MonkeyPatch, spec: ImageSpec, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "library"))
    said = f"copy the Python interpreter: its library is not in {tmp_path}/library"
    with pytest.raises(SandboxFailure, match=said):
        build_image(spec, tmp_path / "images")
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["lock"]


def test_names_of_hosts_are_the_same_in_both_kinds_of_image() -> None:
    covers = cell_program("nesting")._ETC
    for name in ("hosts", "hostname"):
        assert covers[name][0].decode() == image_rules.ETC[name]


def test_another_etc_is_another_image(monkeypatch: pytest.MonkeyPatch, spec: ImageSpec) -> None:
    monkeypatch.setattr(rootfs_contents, "_interpreter", lambda: Path("/bin/sh"))
    before = rootfs_contents.base_fingerprint(spec)
    monkeypatch.setitem(image_rules.ETC, "hosts", "127.0.0.1 localhost\n")
    assert rootfs_contents.base_fingerprint(spec) != before


def test_what_says_what_runs_it_is_a_command(tmp_path: Path) -> None:
    programs = tmp_path / image_rules.CELL_PROGRAMS
    (programs / "__pycache__").mkdir(parents=True)
    (programs / "ps.py").write_text("#!/usr/bin/env python3\n")
    (programs / "zygote.py").write_text("# no command\n#!\n")
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/ps").write_text("the usual one")
    image_rules.name_commands(tmp_path)
    image_rules.normalise_modes(programs)
    (command,) = (tmp_path / "usr/bin").iterdir()
    assert (command.name, str(command.readlink())) == ("ps", "/usr/lib/vibecell/ps.py")
    assert (programs / "ps.py").stat().st_mode & 0o777 == 0o755
    assert (programs / "zygote.py").stat().st_mode & 0o777 == 0o644
