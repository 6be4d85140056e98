"""A deployment is what its settings name: languages, places, and what each lacks."""

import json
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pytest

from vibecell.cli import report
from vibecell.cli.composition import containers, providers
from vibecell.cli.composition import deployment as composed
from vibecell.cli.composition.backends import BACKENDS, provider
from vibecell.cli.composition.deployment import Deployment, deploy
from vibecell.cli.composition.image_spec import image_spec
from vibecell.config import Place, Settings
from vibecell.config import settings as settings_room
from vibecell.languages.catalogue import catalogue, describe
from vibecell.model.errors import PlatformError
from vibecell.sandbox.docker.image import RuntimeImage
from vibecell.sandbox.images.rootfs import Image

VERSIONS = {"python3": "3.11.7", "node": "20.1.0", "bash": "5.2.15"}
NAMES = ["python", "bash", "html", "javascript"]
STRICT = Place("docker")
SCRIPTS = Place("docker", languages=("bash", "javascript"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(images=MappingProxyType({"pyton": "x", "nod": "y"})),
         "read images: no language nod, pyton"),
        (Settings(places=MappingProxyType({"heavy": Place("bubblewrap", languages=("pyton",))})),
         "read the place heavy: no language pyton"),
    ],
)  # fmt: skip
def test_a_language_that_there_is_not_is_told(settings: Settings, told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        deploy(settings)


def test_a_backend_is_known_to_the_settings_and_to_composition_or_to_neither() -> None:
    assert set(BACKENDS) == set(settings_room.BACKENDS)


def test_a_backend_that_there_is_not_is_refused_by_name() -> None:
    said = "choose a backend: there is no gvisor; there are bubblewrap, docker, fake"
    with pytest.raises(PlatformError, match=said):
        provider("gvisor", Settings(), image_spec((), ""))


GATEWAY = """
import sys
from pathlib import Path

from vibecell.cli import children, gateway_user, main
from vibecell.config import Settings
from vibecell.gateway import daemon

gateway_user.become = lambda *_: None
daemon.run_gateway = lambda _settings, _listener, executor, **_: print(type(executor).__name__)
children._gateway(Settings(state_dir=Path(sys.argv[1]), run_dir=Path("/nowhere")), None, None, 0)
foreign = ("vibecell.sandbox", "vibecell.languages")
print(*(name for name in sys.modules if name.startswith(foreign)))
"""


def test_the_process_of_the_gateway_imports_neither_sandbox_nor_languages(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GATEWAY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("EngineClient\n\n", "")


def test_who_speaks_over_the_link_alone_loads_no_judge_of_the_public_form() -> None:
    rooms = "vibecell.engine.daemon, vibecell.engine.client"
    program = f"import sys, {rooms}; print('pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def deployment(places: Mapping[str, Place], lacking: Mapping[str, str]) -> Deployment:
    """One whose places lack some programs; none of them is more than a name."""
    catalogues = {}
    for name, place in places.items():
        here = tuple(d for d in describe() if d.language.name in (place.languages or NAMES))
        missing = lacking.get(name, "").split()
        catalogues[name] = catalogue(here, {k: v for k, v in VERSIONS.items() if k not in missing})
    kinds = {place.backend for place in places.values()}
    providers = {kind: provider(kind, Settings(), image_spec((), "")) for kind in kinds}
    return Deployment(Settings(), places, catalogues, providers)


@pytest.mark.parametrize(
    ("places", "lacking", "languages", "rows"),
    [
        ({}, {}, NAMES, []),
        ({}, {"": "node"}, ["python", "bash", "html"], [("javascript", "")]),
        # lacking in both: one row each
        ({"strict": STRICT}, {"": "node", "strict": "node"}, ["python", "bash", "html"],
         [("javascript", ""), ("javascript", "strict")]),
        # lacking in a class only
        ({"strict": STRICT}, {"strict": "node bash"}, NAMES,
         [("bash", "strict"), ("javascript", "strict")]),
        # lacking by default only; a class that nothing is sent to does not stand in
        ({"strict": STRICT}, {"": "bash"}, ["python", "html", "javascript"], [("bash", "")]),
        # what is sent elsewhere is missed there, not here
        ({"scripts": SCRIPTS}, {"": "bash node"}, NAMES, []),
        ({"scripts": SCRIPTS}, {"scripts": "bash"}, ["python", "html", "javascript"],
         [("bash", "scripts")]),
        ({"scripts": SCRIPTS}, {"": "bash", "scripts": "bash"}, ["python", "html", "javascript"],
         [("bash", "scripts")]),
        # a place with languages lacks none but those
        ({"pages": Place(languages=("html",))}, {"pages": "bash node"}, NAMES, []),
        ({"scripts": SCRIPTS, "strict": STRICT}, {"": "node", "scripts": "node", "strict": "node"},
         ["python", "bash", "html"], [("javascript", "scripts"), ("javascript", "strict")]),
        ({"own": Place(), "strict": STRICT}, {"": "node", "own": "node", "strict": "node bash"},
         ["python", "bash", "html"],
         [("javascript", ""), ("javascript", "own"), ("bash", "strict"), ("javascript", "strict")]),
    ],
)  # fmt: skip
def test_what_is_lacking_is_told_once_for_each_place_it_should_run_in(
    places: dict[str, Place],
    lacking: dict[str, str],
    languages: list[str],
    rows: list[tuple[str, str]],
) -> None:
    found = deployment({"": Place(), **places}, lacking)
    assert [x.name for x in found.languages.languages] == languages
    assert [(x.name, x.place) for x in found.languages.unavailable] == rows
    assert found.offer.languages == found.languages.languages
    for name, known in found.offer.classes.items():
        absent = {x for x, place in rows if place == name}
        assert {x.name for x in known} == set(places[name].languages or NAMES) - absent
        assert {p.place for x in known for p in x.profiles} <= {name}
    assert set(found.offer.classes) == set(places)


def test_a_place_that_no_request_may_name_is_no_class() -> None:
    kept = Place(languages=("bash",), by_request=False)
    found = deployment({"": Place(), "kept": kept, "strict": STRICT}, {})
    assert set(found.offer.classes) == {"strict"}
    (bash,) = (x for x in found.offer.languages if x.name == "bash")
    assert {profile.place for profile in bash.profiles} == {"kept"}


def test_the_languages_of_a_class_are_its_images() -> None:
    catalogues = {
        "": catalogue(describe(), {"python3": "3.11.7"}),
        "newer": catalogue(describe(), {"python3": "3.13.1", "node": "22.0"}),
    }
    places = {"": Place(), "newer": STRICT}
    offer = Deployment(Settings(), places, catalogues, {}).offer
    assert {x.name: x.version for x in offer.languages} == {"python": "3.11.7", "html": "5"}
    newer = {x.name: x.version for x in offer.of_class("newer")}
    assert newer == {"python": "3.13.1", "html": "5", "javascript": "22.0"}


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Docker engine whose image "lean" has the interpreter alone."""

    def find(client: object, name: str, fingerprint: str) -> RuntimeImage:
        versions = {"python3": "3.13.1"} if name == "lean" else VERSIONS
        return RuntimeImage("sha256:1", f"vibecell/{name}:{fingerprint}", versions, ())

    monkeypatch.setattr(containers, "connect", lambda _: BytesIO())  # it can be closed
    monkeypatch.setattr(containers, "find", find)


def containers_without_node() -> Settings:
    return Settings(
        backend="docker",
        places=MappingProxyType({"strict": STRICT}),
        images=MappingProxyType({"javascript": "lean"}),
        state_dir=Path("/nowhere"),
    )


@pytest.mark.usefixtures("images")
def test_what_an_image_lacks_is_mended_in_the_image() -> None:
    unavailable = deploy(containers_without_node()).languages.unavailable
    rows = [x for x in unavailable if x.name in NAMES]
    assert [(x.name, x.place) for x in rows] == [("javascript", ""), ("javascript", "strict")]
    for row in rows:
        assert "its runtime (node) is not installed" in row.reason
        assert "vibecell images build --base BASE --name lean" in row.mend
        assert "apt-get" not in row.mend


def test_who_waits_for_an_image_is_told_and_who_finds_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    image, settings = Image(tmp_path, "f", {}, (), 0), Settings(state_dir=tmp_path)
    spec = image_spec(describe(), settings.program_path)
    monkeypatch.setattr(providers, "build_image", lambda *_: image)
    monkeypatch.setattr(providers, "find_image", lambda *_: None)
    assert providers.build_directory(settings, spec) is image
    assert capfd.readouterr().err == "Preparing the runtime image, once; this takes a minute.\n"
    monkeypatch.setattr(providers, "find_image", lambda *_: image)
    assert providers.build_directory(settings, spec) is image
    assert capfd.readouterr().err == ""


def test_what_the_host_lacks_is_mended_on_the_host() -> None:
    (row,) = deployment({"": Place()}, {"": "node"}).languages.unavailable
    assert "apt-get install nodejs" in row.mend


@pytest.mark.usefixtures("images")
def test_a_person_is_told_where_it_is_lacking(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.languages(containers_without_node(), as_json=False) == 0
    lines = [x.split(";")[0].strip() for x in capsys.readouterr().out.splitlines() if "–" in x]
    lines = [line for line in lines if "javascript" in line]
    said = "its runtime (node) is not installed"
    assert lines == [f"– javascript: {said}", f"– javascript in the place strict: {said}"]


def test_a_program_is_told_where_it_is_lacking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"": Place("fake"), "own": Place("fake")}
    monkeypatch.setattr(composed, "deploy", lambda _: deployment(places, {"own": "bash"}))
    assert report.doctor(Settings(), as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(x["name"], x["place"]) for x in told["unavailable"]] == [("bash", "own")]
    assert set(told["languages"]) == set(NAMES)
