"""How the runtime image that is a directory is published."""

import os
import stat
from pathlib import Path

import pytest

from vibecell.sandbox.images import rootfs
from vibecell.sandbox.images.rootfs import ImageSpec, build_image


def test_every_uid_may_pass_through_to_an_image_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_spec: ImageSpec, root: Path) -> dict[str, object]:
        root.chmod(0o755)
        return {"versions": {}, "missing": []}

    monkeypatch.setattr(rootfs.contents, "base_fingerprint", lambda _: "base")
    monkeypatch.setattr(rootfs.contents, "cell_fingerprint", lambda _: "cell")
    monkeypatch.setattr(rootfs.contents, "fill_base", fill)
    monkeypatch.setattr(rootfs.contents, "fill_cell_programs", lambda _spec, _root: None)
    spec = ImageSpec(programs=(), trees=(), requirements=(), cell_programs=Path(), program_path="")
    before = os.umask(0o077)
    try:
        image = build_image(spec, tmp_path / "state" / "images")
    finally:
        os.umask(before)
    image.release()
    path = image.root
    while path != tmp_path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o755, path
        path = path.parent
