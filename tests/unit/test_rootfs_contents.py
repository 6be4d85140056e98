"""An image that is a directory, where the host lacks what every one must have."""

import sysconfig
from pathlib import Path

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.images import rootfs_contents
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
