"""Settings: where they come from and what they refuse."""

import math
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

from vibecell.config import (
    ConfigError,
    Place,
    Settings,
    load,
    pack,
    require_closed_door,
    unpack,
)
from vibecell.model.access import Access
from vibecell.model.limits import Limits

KEY = "k" * 32


def write(folder: Path, text: str) -> Path:
    path = folder / "vibecell.toml"
    path.write_text(text)
    return path


def test_a_limit_that_no_request_could_carry_stops_the_start() -> None:
    both = {
        "VIBECELL_LIMITS__MEMORY_BYTES": str(2**55),
        "VIBECELL_CEILING__MEMORY_BYTES": str(2**56),
    }
    with pytest.raises(ConfigError, match=f"must be at most {2**53 - 1}"):
        load({**both, "HOME": "/nowhere"}, Path("/dev/null"))


def test_defaults_serve_this_machine_only() -> None:
    settings = load({})
    assert (settings.host, settings.port, settings.queue_size) == ("127.0.0.1", 8000, 256)
    assert settings.max_concurrent >= 4
    assert settings.state_dir.is_absolute()
    assert settings.engine_socket.parent == settings.run_dir


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'port = 9000\nhost = "::1"\n[limits]\nwall_time_ms = 1000\n')
    settings = load({"VIBECELL_PORT": "9001", "PATH": "/bin"}, path)
    assert (settings.port, settings.host, settings.limits.wall_time_ms) == (9001, "::1", 1000)


def test_limits_from_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, "[ceiling]\nwall_time_ms = 20000\n")
    settings = load({"VIBECELL_LIMITS__PROCESSES": "7", "VIBECELL_REQUIRE_CGROUPS": "auto"}, path)
    assert (settings.limits.processes, settings.ceiling.wall_time_ms) == (7, 20_000)
    assert settings.require_cgroups is None


def test_file_named_by_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "port = 9000")
    assert load({"VIBECELL_CONFIG": str(path)}).port == 9000


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"VIBECELL_PROT": "1"}, "VIBECELL_PROT"),
        ({"VIBECELL_LIMITS__CORES": "1"}, "VIBECELL_LIMITS__CORES"),
        ({"VIBECELL_LIMITS": "1"}, "VIBECELL_LIMITS"),
        ({"VIBECELL_PORT__X": "1"}, "VIBECELL_PORT__X"),
        ({"VIBECELL_PORT": "http"}, "port"),
        ({"VIBECELL_PORT": "70000"}, "port"),
        ({"VIBECELL_LIMITS__PROCESSES": "0"}, "processes"),
        ({"VIBECELL_LIMITS__WALL_TIME_MS": "999999999"}, "limits.wall_time_ms"),
        ({"VIBECELL_STATE_DIR": "relative"}, "state_dir"),
        ({"VIBECELL_BACKEND": "none"}, "backend"),
        ({"VIBECELL_WALL": "thin"}, "wall"),
        ({"VIBECELL_RUNTIME": "runsc"}, "runtime: is for the backend docker"),
        ({"VIBECELL_PLACES": "strong"}, "places"),
        ({"VIBECELL_PLACES": "[]"}, "places: must be a table"),
        ({"VIBECELL_PLACES__STRONG": "{}"}, "VIBECELL_PLACES__STRONG"),
        ({"VIBECELL_IMAGES": "[]"}, "images: must be a table"),
        ({"VIBECELL_IMAGES": '{"python": 3}'}, "images: python: must be text"),
        ({"VIBECELL_IMAGES": '{"python": ""}'}, "images: python: must be text"),
        ({"VIBECELL_BACKEND": "docker", "DOCKER_HOST": "tcp://127.0.0.1:2375"}, "docker_host"),
        ({"VIBECELL_BACKEND": "docker", "VIBECELL_DOCKER_HOST": "/d.sock"}, "docker_host"),
        ({"VIBECELL_DOCKER_HOST": ""}, "docker_host"),
        ({"VIBECELL_REQUIRE_CGROUPS": "maybe"}, "require_cgroups"),
        ({"VIBECELL_RESULT_TTL_S": "nan"}, "result_ttl_s"),
        ({"VIBECELL_API_KEYS": "short"}, "api_keys"),
        ({"VIBECELL_POOL_MIN_IDLE": "-1"}, "pool_min_idle"),
        ({"VIBECELL_POOL_MIN_IDLE": "2", "VIBECELL_POOL_MAX_IDLE": "1"}, "pool_max_idle"),
        ({"VIBECELL_POOL_PARALLEL": "0"}, "pool_parallel"),
        ({"VIBECELL_ANONYMOUS": "always"}, "anonymous: must be auto, never or loopback"),
        (
            {"VIBECELL_ANONYMOUS": "loopback", "VIBECELL_GATEWAY__PUBLIC_URL": "https://a.example"},
            "anonymous: behind a proxy",
        ),
        ({"VIBECELL_SERVER_SECRETS": "s" * 31}, "server_secrets"),
        ({"VIBECELL_SERVER_SECRETS": ",".join([f"{n:032}" for n in range(9)])}, "server_secrets"),
        (
            {"VIBECELL_SERVER_SECRETS": "s" * 32, "VIBECELL_SERVER_SECRET_FILE": "/s"},
            "server_secret_file: there are server_secrets, too",
        ),
        ({"VIBECELL_SERVER_SECRET_FILE": "s"}, "server_secret_file: must be an absolute path"),
        ({"VIBECELL_CONFIG": "/nonexistent.toml"}, "nonexistent"),
        ({"VIBECELL_STATE_DIR": "~nosuchuser/x"}, "state_dir: names somebody's home"),
        ({"VIBECELL_RUN_DIR": "/a\0b"}, "run_dir: must be an absolute path"),
        ({"VIBECELL_PLACES": "[" * 100_000}, "places: must be a table"),
        ({"VIBECELL_PLACES": '{"a":' * 100_000}, "places: must be a table"),
        ({"VIBECELL_PLACES": "9" * 5000}, "places: must"),
        ({"VIBECELL_PLACES": '{"a":{},"a":{}}'}, "places: a is there twice"),
        (
            {"VIBECELL_PLACES": '{"a":{"wall":"fresh","wall":"shared"}}'},
            "places: wall is there twice",
        ),
        ({"VIBECELL_PORT": "9" * 5000}, "port: must be a whole number"),
        ({"VIBECELL_PORT": "8_0"}, "port: must be a whole number"),
        ({"VIBECELL_ZYGOTE_MAX_FORKS": "0"}, "zygote_max_forks: must be at least 1"),
        ({"VIBECELL_ZYGOTE_MAX_FORKS": "-1"}, "zygote_max_forks: must be at least 1"),
        ({"VIBECELL_ZYGOTE_MAX_AGE_S": "nan"}, "zygote_max_age_s: must be a finite number"),
        ({"VIBECELL_ZYGOTE_MAX_AGE_S": "inf"}, "zygote_max_age_s: must be a finite number"),
        ({"VIBECELL_ZYGOTE_MAX_AGE_S": "1e999"}, "zygote_max_age_s: must be a finite number"),
        ({"VIBECELL_ZYGOTE_MAX_AGE_S": "0"}, "zygote_max_age_s: must be above 0"),
        ({"VIBECELL_ZYGOTE_MAX_AGE_S": "-1"}, "zygote_max_age_s: must be above 0"),
        ({"VIBECELL_UID_BASE": "4294967294"}, "uid_base: must be at most 4293918718"),
        ({"VIBECELL_GATEWAY_UID": "4294967295"}, "gateway_uid: must be at most 4294967294"),
        ({"VIBECELL_GATEWAY_UID": "65534"}, "gateway_uid: must not be 65534"),
        (
            {"VIBECELL_GATEWAY_UID": "1900001024"},
            "gateway_uid: must not be among",
        ),
        ({"VIBECELL_UID_BASE": "1899999999"}, "gateway_uid: must not be among"),
    ],
)
def test_wrong_settings_are_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(environ)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "prot"),
        ("[limits]\ncores = 1", "cores"),
        ("limits = 1", "limits"),
        ("port = true", "port"),
        ('api_keys = ["x", 1]', "api_keys"),
        ("port =", "vibecell.toml"),
        (f"port = {'[' * 5000}", "vibecell.toml"),
        ("zygote_max_age_s = nan", "zygote_max_age_s"),
        (f"zygote_max_age_s = 1{'0' * 400}", "zygote_max_age_s: must be a number"),
        ("cell_cpus = inf", "cell_cpus: must be a finite number"),
    ],
)
def test_wrong_file_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load({}, write(tmp_path, text))


def test_open_to_the_network_with_keys() -> None:
    settings = load({"VIBECELL_HOST": "0.0.0.0", "VIBECELL_API_KEYS": f"{KEY}, {KEY}2"})
    assert settings.api_keys == (KEY, f"{KEY}2")
    assert KEY not in repr(settings)


def test_settings_built_by_hand_are_judged_too() -> None:
    with pytest.raises(ConfigError, match="max_concurrent"):
        Settings(max_concurrent=0)


def test_what_is_no_number_is_refused_in_settings_built_by_hand() -> None:
    for name in ("zygote_max_age_s", "cell_cpus", "result_ttl_s"):
        for value in (math.nan, math.inf, -1.0):
            with pytest.raises(ConfigError, match=name):
                Settings(**{name: value})  # type: ignore[arg-type]


def test_whoever_has_no_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "home", homeless)
    for environ in ({}, {"HOME": "relative"}):
        with pytest.raises(ConfigError, match="HOME: must be set"):
            load(environ)


def test_what_the_gateway_grants_can_be_set(tmp_path: Path) -> None:
    file = tmp_path / "vibecell.toml"
    file.write_text(
        "[gateway]\nconnections = 5000\nheartbeat_s = 2\nallowed_origins = ['https://a.example']"
    )
    access = load({}, file).gateway
    assert (access.connections, access.heartbeat_s) == (5000, 2.0)
    assert access.allowed_origins == ("https://a.example",)
    assert access.concurrent == Settings().gateway.concurrent
    said = {"VIBECELL_GATEWAY__CONCURRENT": "9", "VIBECELL_GATEWAY__ALLOWED_ORIGINS": "http://b"}
    assert load(said, file).gateway.concurrent == 9
    assert load(said, file).gateway.allowed_origins == ("http://b",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTIONS", "0"),
        ("CONNECTIONS", "many"),
        ("HEARTBEAT_S", "nan"),
        ("DISCONNECT_GRACE_S", "-1"),
        ("ALLOWED_ORIGINS", "example.org"),
        ("ALLOWED_ORIGINS", "https://example.org/path"),
        ("PUBLIC_URL", "code.example"),
        ("PUBLIC_URL", "ftp://code.example"),
        ("PUBLIC_URL", "https://Code.example"),
        ("PUBLIC_URL", "https://me@code.example"),
        ("PUBLIC_URL", "https://code.example:99999"),
        ("PUBLIC_URL", "https://code.example/run?x"),
        ("PUBLIC_URL", "https://code.example/a/../b"),
        ("PUBLIC_URL", "https://code.example/a%2fb"),
        ("PUBLIC_URL", "https://code.example/; script-src *"),
        ("PUBLIC_URL", "https://code.example/\n"),
        ("CONECTIONS", "5"),
    ],
)
def test_what_a_gateway_cannot_grant_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"(?i){name}"):
        load({f"VIBECELL_GATEWAY__{name}": value})


def test_a_public_address_without_keys_is_of_this_machine() -> None:
    for url in ("https://code.example:8443/run", "http://192.0.2.1/", "https://code.example/a/b/"):
        said = load({"VIBECELL_GATEWAY__PUBLIC_URL": url})
        with pytest.raises(ConfigError, match=r"public_url: .* needs a key"):
            require_closed_door(said, has_keys=False)
        require_closed_door(said, has_keys=True)
        assert said.gateway.public_url == url
    for url in ("https://localhost:8443/run", "http://127.0.0.1", "http://code.localhost:81"):
        said = load({"VIBECELL_GATEWAY__PUBLIC_URL": url})
        require_closed_door(said, has_keys=False)
        assert said.gateway.public_url == url


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org", "192.0.2.1", "::"])
def test_an_address_that_others_can_reach_needs_a_key_or_serves_nobody_without(host: str) -> None:
    for anonymous in ("auto", "loopback"):
        open_door = load({"VIBECELL_HOST": host, "VIBECELL_ANONYMOUS": anonymous})
        with pytest.raises(ConfigError, match=r"host: .* needs a key"):
            require_closed_door(open_door, has_keys=False)
        require_closed_door(open_door, has_keys=True)
    closed = load({"VIBECELL_HOST": host, "VIBECELL_ANONYMOUS": "never"})
    require_closed_door(closed, has_keys=False)


def test_children_are_told_every_setting() -> None:
    access = Access(connections=7, heartbeat_s=0.5, allowed_origins=("http://a", "http://b"))
    given = Settings(state_dir=Path("/s"), run_dir=Path("/r"), gateway=access)
    assert unpack(pack(given), Settings) == given


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ("strong = 1", "places: strong: must be a table"),
        ('strong = "{}"', "places: strong: must be a table"),
        ("[places.strong]\ncolour = 1", "places: strong.colour: unknown setting"),
        ("[places.strong]\nplaces = 1", "places: strong.places: unknown setting"),
        ("[places.strong]\nbackend = 3", "places: strong.backend: must be text"),
        ('[places.strong]\nbackend = "podman"', "places.strong.backend: must be one of"),
        ('[places.strong]\nwall = "thin"', "places.strong.wall: must be shared or fresh"),
        ("[places.strong]\nwall = true", "places: strong.wall: must be text"),
        ("[places.strong]\nruntime = 1", "places: strong.runtime: must be text"),
        ('[places.strong]\nruntime = "runsc"', "places.strong.runtime: is for the backend docker"),
        ("[places.strong]\nlanguages = 1", "places: strong.languages: must be a list of texts"),
        ("[places.strong]\nlanguages = [1]", "places: strong.languages: must be a list of texts"),
        ("[places.strong]\nby_request = 2", "places: strong.by_request: must be"),
        ("[places.strong]\nby_request = false", "places.strong: without languages and by_request"),
        ("[places.Strong]", "'Strong' must be a-z"),
        ("[places.1st]", "'1st' must be a-z"),
        ('[places.""]', "'' must be a-z"),
        ('[places."a.b"]', "'a.b' must be a-z"),
        (f"[places.{'x' * 33}]", "at most 32"),
        (
            '[places.a]\nlanguages = ["bash"]\n[places.b]\nlanguages = ["python", "bash"]',
            "bash is in the languages of more than one",
        ),
    ],
)
def test_a_wrong_place_is_named(tmp_path: Path, places: str, named: str) -> None:
    text = places if places.startswith("[") else f"[places]\n{places}"
    with pytest.raises(ConfigError, match=re.escape(named)):
        load({}, write(tmp_path, text))


def test_wrong_places_are_named_all_at_once(tmp_path: Path) -> None:
    text = '[places.A]\n[places.b]\nwall = "x"\n[places.c]\nbackend = "x"'
    with pytest.raises(ConfigError) as caught:
        load({}, write(tmp_path, text))
    assert all(name in str(caught.value) for name in ("'A'", "places.b.wall", "places.c.backend"))


def test_places_from_a_file_and_from_a_variable(tmp_path: Path) -> None:
    text = (
        'wall = "fresh"\n[places.own-wall]\nwall = "fresh"\n'
        '[places.strong]\nbackend = "docker"\nruntime = "runsc"\nlanguages = ["python", "bash"]'
    )
    settings = load({}, write(tmp_path, text))
    assert settings.default_place == Place("bubblewrap", "fresh")
    assert settings.places == {
        "own-wall": Place("bubblewrap", "fresh"),
        "strong": Place("docker", None, "runsc", ("python", "bash")),
    }
    said = {"VIBECELL_PLACES": '{"other": {"backend": "docker", "languages": ["python"]}}'}
    assert load(said, write(tmp_path, text)).places == {
        "other": Place("docker", languages=("python",))
    }


@pytest.mark.parametrize(
    ("place", "wall"),
    [
        (Place(), "shared"),
        (Place("docker"), "fresh"),
        (Place("docker", "shared"), "shared"),
        (Place("bubblewrap", "fresh"), "fresh"),
        (Place("fake"), "shared"),
    ],
)
def test_each_backend_has_its_usual_wall(place: Place, wall: str) -> None:
    assert place.chosen_wall == wall


@pytest.mark.parametrize("text", ["auto", ""])
def test_a_wall_can_be_left_to_the_backend(text: str) -> None:
    settings = load({"VIBECELL_WALL": text, "VIBECELL_BACKEND": "docker"})
    assert (settings.wall, settings.default_place.chosen_wall) == (None, "fresh")


def test_where_the_docker_engine_listens(tmp_path: Path) -> None:
    assert load({}).docker_host == "unix:///var/run/docker.sock"
    assert load({"DOCKER_HOST": ""}).docker_host == "unix:///var/run/docker.sock"
    around = {"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}
    assert load(around).docker_host == around["DOCKER_HOST"]
    file = write(tmp_path, 'docker_host = "unix:///file.sock"')
    assert load(around, file).docker_host == "unix:///file.sock"
    said = {**around, "VIBECELL_DOCKER_HOST": "unix:///variable.sock"}
    assert load(said, file).docker_host == "unix:///variable.sock"


def test_an_engine_on_the_network_is_nobodys_affair_where_it_is_not_used() -> None:
    around = {"DOCKER_HOST": "tcp://127.0.0.1:2375"}
    assert load(around).backend == "bubblewrap"
    with pytest.raises(ConfigError, match="docker_host: must be a Unix socket"):
        load({**around, "VIBECELL_PLACES": '{"strong": {"backend": "docker"}}'})


def test_children_are_told_every_place_and_image() -> None:
    places = {"own-wall": Place(wall="fresh"), "strong": Place("docker", None, "runsc", ("bash",))}
    given = Settings(
        state_dir=Path("/s"),
        run_dir=Path("/r"),
        backend="docker",
        runtime="kata",
        places=places,
        images={"python": "science"},
        docker_host="unix:///d.sock",
    )
    assert unpack(pack(given), Settings) == given


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    names = {f.name for kind in (Settings, Access, Limits, Place) for f in fields(kind)}
    assert [x for x in sorted(names) if f"`{x}`" not in page and f"[{x}]" not in page] == []
