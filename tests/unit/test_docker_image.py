"""Runtime images of containers, without a daemon: names, labels, wheels, and what is printed."""

import io
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from vibecell.cli import docker_sdk, images
from vibecell.cli.composition.image_spec import image_spec
from vibecell.languages.catalogue import describe
from vibecell.model.errors import PlatformError, SandboxFailure
from vibecell.sandbox.docker import fill_image, image, image_build, wheels
from vibecell.sandbox.docker.client import Missing
from vibecell.sandbox.docker.image import find, list_images, reference_of
from vibecell.sandbox.docker.wheels import Interpreter, download

FINGERPRINT = "0123456789abcdef"
LABELS = {
    image.LABEL_IMAGE: "1",
    image.LABEL_BASE: "debian:12",
    image.LABEL_CELL_PROGRAMS: FINGERPRINT,
    image.LABEL_VERSIONS: '{"python3": "3.12.1"}',
}
BOOKWORM = Interpreter((3, 11), "x86_64", (2, 36))


class Daemon:
    """Answers of a daemon that has one image."""

    def __init__(self, **configuration: Any) -> None:
        self.configuration = {"Labels": LABELS, "Env": ["PATH=/bin"], **configuration}

    def inspect_image(self, reference: str) -> dict[str, Any]:
        if reference != f"vibecell/runtime:{FINGERPRINT}":
            raise ImageNotFound("no such image")
        return {"Id": "sha256:1", "Config": self.configuration}

    def images(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        assert filters == {"label": "io.vibecell.image=1"}
        return [
            {"Id": "sha256:1", "RepoTags": None, "Labels": LABELS, "Size": 5, "Created": 10},
            {
                "Id": "sha256:2",
                "RepoTags": ["vibecell/a:1", "b:2"],
                "Labels": LABELS,
                "Created": 20,
            },
        ]


def test_an_image_is_called_after_its_cell_programs() -> None:
    assert reference_of("runtime", FINGERPRINT) == f"vibecell/runtime:{FINGERPRINT}"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a:b", "a/b", "a..b", "x" * 65, "ä"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(SandboxFailure, match="name a runtime image"):
        reference_of(name, FINGERPRINT)


def test_an_image_is_found() -> None:
    found = find(Daemon(), "runtime", FINGERPRINT)
    assert (found.id, found.reference) == ("sha256:1", f"vibecell/runtime:{FINGERPRINT}")
    assert dict(found.versions) == {"python3": "3.12.1"}
    assert found.env == ("PATH=/bin",)


def test_one_that_is_not_there_is_missing_and_says_how_it_is_built() -> None:
    with pytest.raises(Missing, match=r"it is not here: vibecell images build --name other$"):
        find(Daemon(), "other", FINGERPRINT)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"Labels": None}, "not a runtime image of this version"),
        ({"Labels": LABELS | {image.LABEL_IMAGE: "2"}}, "not a runtime image of this version"),
        ({"Labels": LABELS | {image.LABEL_CELL_PROGRAMS: "f"}}, "not a runtime image of this"),
        ({"Labels": LABELS | {image.LABEL_VERSIONS: "{"}}, "cannot be read"),
        ({"Labels": LABELS | {image.LABEL_VERSIONS: '{"a": 1}'}}, "cannot be read"),
        ({"Volumes": {"/data": {}}}, "declares volumes"),
    ],
)
def test_one_that_is_not_ours_is_refused(configuration: dict[str, Any], said: str) -> None:
    with pytest.raises(SandboxFailure, match=said):
        find(Daemon(**configuration), "runtime", FINGERPRINT)


def test_images_are_listed_the_newest_first() -> None:
    newer, older = list_images(Daemon())
    assert [newer.reference, older.reference] == ["vibecell/a:1", ""]
    assert older.created == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert (older.base, older.size_bytes, older.fingerprint) == ("debian:12", 5, FINGERPRINT)


def test_a_list_is_aligned() -> None:
    assert list(images.table([("A", "BB"), ("long", "c")])) == ["A     BB", "long  c"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"),
     (200_000, "2 days ago")],
)  # fmt: skip
def test_an_age_is_told_in_the_largest_unit(seconds: int, said: str) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert images.age(now - timedelta(seconds=seconds), now) == said


def test_a_missing_sdk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    docker_sdk.require_sdk()
    monkeypatch.setattr(docker_sdk, "find_spec", lambda name: None)
    with pytest.raises(PlatformError, match=r"pip install 'vibecell\[docker\]'$"):
        docker_sdk.require_sdk()


def test_an_interpreter_takes_wheels_of_its_own_c_library_and_older() -> None:
    platforms = list(BOOKWORM.platforms)
    assert platforms[0] == "manylinux_2_36_x86_64"
    assert platforms[-2:] == ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]


def test_wheels_are_downloaded_once_for_each_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append(command)
        Path(command[command.index("--dest") + 1], "a-1-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1\n")
    cache = tmp_path / "cache"
    first = download((requirements,), BOOKWORM, cache, lambda line: None)
    assert [p.name for p in first.iterdir()] == ["a-1-py3-none-any.whl"]
    assert download((requirements,), BOOKWORM, cache, lambda line: None) == first
    assert len(calls) == 1
    newer = Interpreter((3, 14), "x86_64", (2, 36))
    assert download((requirements,), newer, cache, lambda line: None) != first
    assert calls[1][calls[1].index("--python-version") :][:2] == ["--python-version", "3.14"]


def test_a_failed_download_leaves_nothing_and_quotes_pip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 1, stderr=b"ERROR: no such version\n")

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1\n")
    with pytest.raises(SandboxFailure, match=r"Python 3\.11 on x86_64.*: ERROR: no such version"):
        download((requirements,), BOOKWORM, tmp_path / "cache", lambda line: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_context_holds_what_the_dockerfile_copies(tmp_path: Path) -> None:
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"wheel")
    spec = image_spec(describe(), "/usr/bin:/bin")
    written = [io.BytesIO(), io.BytesIO()]
    for file in written:
        image_build._write_context(file, spec, tmp_path)
    assert written[0].getvalue() == written[1].getvalue()
    with tarfile.open(fileobj=io.BytesIO(written[0].getvalue())) as tar:
        names = set(tar.getnames())
        plan = json.load(tar.extractfile("fill/plan.json") or io.BytesIO())
    assert {"Dockerfile", "fill/__main__.py", "cell/zygote.py", "cell/preload.js"} <= names
    assert "packages/wheels/a-1-py3-none-any.whl" in names
    assert {"node", "bash"} <= set(plan["programs"])
    assert plan["packages"].keys() <= set(plan["programs"])
    assert (plan["packages"]["node"], plan["packages"]["awk"]) == ("nodejs", "mawk")
    dockerfile = (Path(image_build.__file__).parent / "Dockerfile").read_text()
    sources = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    for source in (s for s in sources if not s.startswith("--")):
        assert any(name.startswith(source) for name in names), source


def test_what_fills_an_image_needs_nothing_of_ours_but_what_is_in_the_context(
    tmp_path: Path,
) -> None:
    with io.BytesIO() as file:
        image_build._write_context(file, image_spec(describe(), "/usr/bin:/bin"), tmp_path)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None and member.name.startswith("fill/"):
                    path = tmp_path / member.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())
    # without site there is no other Vibecell to be found; by another name it takes no step
    load = "import runpy, sys; print(runpy.run_path(sys.argv[1])['image_rules'].__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", load, tmp_path / "fill"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path}/fill/vibecell/sandbox/images/image_rules.py\n"


def test_a_failed_step_is_told_with_what_it_printed() -> None:
    class Building:
        def build(self, **_: Any) -> list[dict[str, str]]:
            return [
                {"stream": "Step 1/2 : RUN x\n"},
                {"stream": "vibecell: hello\n"},
                {"error": "it ended with 3"},
            ]

    said: list[str] = []
    with pytest.raises(SandboxFailure, match=r"(?s)Step 1/2 : RUN x.*it ended with 3"):
        image_build._run_build(Building(), io.BytesIO(), said.append)
    assert said == ["hello"]


def test_what_a_base_lacks_is_installed_by_the_package_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packages = {"ps": "procps", "free": "procps", "node": "nodejs"}
    plan = {"programs": ["free", "ls", "node", "odd", "ps"], "packages": packages}
    monkeypatch.setattr(fill_image, "_plan", lambda: plan)
    had = {"ls", "node", "apt-get"}
    monkeypatch.setattr(fill_image.shutil, "which", lambda name: name if name in had else None)
    asked: list[tuple[str, ...]] = []

    def apt(*words: str) -> bool:
        asked.append(words)
        had.update({"free", "ps"} if "procps" in words else ())
        return True

    monkeypatch.setattr(fill_image, "_apt", apt)
    fill_image.programs()
    assert asked == [("update",), ("install", "procps")]


def test_what_not_everybody_may_read_of_a_base_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, filled = tmp_path / "base", tmp_path / "image"
    modes = {"open": 0o644, "program": 0o755, "key": 0o600, "of-a-group": 0o640, "to-run": 0o711}
    for folder, mode in (("usr", 0o755), ("usr/private", 0o700), ("usr/public", 0o755)):
        (base / folder).mkdir(parents=True)
        for name, of_file in modes.items():
            (base / folder / name).touch(of_file)
            (base / folder / name).chmod(of_file)
        (base / folder).chmod(mode)
    monkeypatch.setattr(fill_image, "IMAGE", filled)
    monkeypatch.setattr(fill_image, "BASE", base)
    filled.mkdir()
    for name in ("usr", "absent"):
        fill_image._copy(Path(name), set())
    found = {str(path.relative_to(filled)) for path in filled.rglob("*") if path.is_file()}
    assert found == {
        f"usr{folder}/{name}" for folder in ("", "/public") for name in ("open", "program")
    }
